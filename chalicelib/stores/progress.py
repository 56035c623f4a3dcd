"""A cart's progress: a read model over carts, entries, windows and staged files. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Entries, StagedFiles, Windows
from chalicelib.stores.carts import UNFINISHED, Cart, CartState


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of a cart's files that are on tape, and that are in the bundle."""

    on_tape: int
    bundled: int


class ProgressStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def counts(self, cart: Cart) -> Counts:
        if cart.state == CartState.READY:
            return Counts(0, cart.files_total)
        if cart.state == CartState.WAITING:
            return Counts(0, 0)
        tape = Entries.select(peewee.fn.COUNT(1)).where(Entries.cart_id == cart.id, Entries.on_tape == 1)
        done = Windows.select(peewee.fn.SUM(Windows.files)).where(Windows.cart_id == cart.id, Windows.state == "done")
        with self._db.session() as db:
            return Counts(int(tape.scalar(db)), int(done.scalar(db) or 0))

    def files(self, cart: Cart, after: int, most: int) -> dict[str, Any]:
        """The body of GET /{uid}/files: up to `most` files after position `after`; docs/api.md has the schema."""
        with self._db.session() as db:
            query = Entries.select().where(Entries.cart_id == cart.id, Entries.position > after)
            entries = list(query.order_by(Entries.position).limit(most).execute(db))
            staged = self._staged(db, [entry.archive_id for entry in entries])
            done = self._bundled(db, cart)
        files = [
            {
                "path": entry.path,
                "id": entry.archive_id,
                "state": _state(cart, entry, staged, done),
                "size": entry.size,
                "error": entry.error,
            }
            for entry in entries
        ]
        last = entries[-1].position if entries else after
        return {"files": files, "next": last if last + 1 < cart.files_total and entries else None}

    def _staged(self, db: peewee.Database, ids: list[str]) -> set[str]:
        query = StagedFiles.select(StagedFiles.archive_id).where(
            StagedFiles.archive_id.in_(ids), StagedFiles.state == "staged"
        )
        return {row[0] for row in query.tuples().execute(db)}

    def _bundled(self, db: peewee.Database, cart: Cart) -> list[tuple[int, int]]:
        """First and last position of each window that is done."""
        query = Windows.select(Windows.first, Windows.files).where(Windows.cart_id == cart.id, Windows.state == "done")
        return [(first, first + files - 1) for first, files in query.tuples().execute(db)]


def report(cart: Cart, counts: Counts, now: float) -> dict[str, Any]:
    """The body of GET /{uid}/status; docs/api.md has the schema."""
    ready = cart.state == CartState.READY
    return {
        "uid": cart.uid,
        "status": cart.state,
        "message": cart.message,
        "files": {
            "total": cart.files_total,
            "on_tape": counts.on_tape,
            "staged": cart.files_total if ready else cart.files_staged,
            "bundled": counts.bundled,
        },
        "bytes": {
            "total": cart.bytes_total,
            "staged": cart.bytes_total if ready else cart.bytes_staged,
            "bundled": cart.bundle_bytes,
            "bundle": cart.bundle_size,
        },
        "times": {
            "created": _iso(cart.created_at),
            "staging": _iso(cart.staging_at),
            "bundling": _iso(cart.bundling_at),
            "ended": _iso(cart.ended_at),
        },
        "seconds_left": _seconds_left(cart, now),
        "bundle": _bundle(cart) if ready else None,
    }


def _bundle(cart: Cart) -> dict[str, Any]:
    return {"size": cart.bundle_size, "etag": cart.bundle_etag, "checksum": cart.bundle_checksum}


def _state(cart: Cart, entry: Entries, staged: set[str], done: list[tuple[int, int]]) -> str:
    if entry.error:
        return "error"
    if cart.state == CartState.READY or any(first <= entry.position <= last for first, last in done):
        return "bundled"
    if entry.archive_id in staged and cart.state != CartState.WAITING:
        return "staged"
    return "on_tape" if entry.on_tape else "waiting"


def _seconds_left(cart: Cart, now: float) -> int | None:
    """An estimate from the rate so far, over all bytes to stage and to bundle; None if unknown."""
    if cart.state not in UNFINISHED or cart.staging_at is None:
        return None
    done, whole = cart.bytes_staged + cart.bundle_bytes, cart.bytes_total + cart.bundle_size
    if done <= 0 or whole <= 0:
        return None
    return max(0, round((now - cart.staging_at) * (whole - done) / done))


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
