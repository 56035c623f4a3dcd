"""A cart's progress: a read model over carts, entries, windows and staged files. It writes nothing."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Entries, StagedFiles, Windows
from chalicelib.db.states import FileState, WindowState
from chalicelib.stores.carts import UNFINISHED, Cart, CartState


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of a cart's files that are on tape, and that are in the bundle."""

    on_tape: int
    bundled: int


@dataclass(frozen=True, slots=True)
class FileProgress:
    """`state`: `waiting`, `on_tape`, `staged`, `bundled` or `error`. `size` in bytes, None if not yet known."""

    path: str
    archive_id: str
    state: str
    size: int | None
    error: str


@dataclass(frozen=True, slots=True)
class FilePage:
    """`next`: the position to continue after; None on the last page."""

    files: list[FileProgress]
    next: int | None


class ProgressStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def counts(self, cart: Cart) -> Counts:
        if cart.state == CartState.READY:
            return Counts(0, cart.files_total)
        if cart.state == CartState.WAITING:
            return Counts(0, 0)
        tape = Entries.select(peewee.fn.COUNT(1)).where(Entries.cart_id == cart.id, Entries.on_tape == 1)
        done = Windows.select(peewee.fn.SUM(Windows.files)).where(
            Windows.cart_id == cart.id, Windows.state == WindowState.DONE
        )
        with self._db.session() as db:
            return Counts(int(tape.scalar(db)), int(done.scalar(db) or 0))

    def files(self, cart: Cart, after: int, most: int) -> FilePage:
        """Up to `most` files after position `after`, in the manifest's order."""
        with self._db.session() as db:
            query = Entries.select().where(Entries.cart_id == cart.id, Entries.position > after)
            entries = list(query.order_by(Entries.position).limit(most).execute(db))
            staged = self._staged(db, [entry.archive_id for entry in entries])
            bundled = self._bundled(db, cart)
        files = [
            FileProgress(entry.path, entry.archive_id, _state(cart, entry, staged, bundled), entry.size, entry.error)
            for entry in entries
        ]
        last = entries[-1].position if entries else after
        return FilePage(files, last if last + 1 < cart.files_total and entries else None)

    def _staged(self, db: peewee.Database, ids: list[str]) -> set[str]:
        query = StagedFiles.select(StagedFiles.archive_id).where(
            StagedFiles.archive_id.in_(ids), StagedFiles.state == FileState.STAGED
        )
        return {row[0] for row in query.tuples().execute(db)}

    def _bundled(self, db: peewee.Database, cart: Cart) -> _Ranges:
        done = (Windows.cart_id == cart.id) & (Windows.state == WindowState.DONE)
        query = Windows.select(Windows.first, Windows.files).where(done).order_by(Windows.first)
        return _Ranges(list(query.tuples().execute(db)))


def seconds_left(cart: Cart, now: float) -> int | None:
    """An estimate from the rate so far, over all bytes to stage and to bundle; None if unknown."""
    if cart.state not in UNFINISHED or cart.staging_at is None:
        return None
    done, whole = cart.bytes_staged + cart.bundle_bytes, cart.bytes_total + cart.bundle_size
    if done <= 0 or whole <= 0:
        return None
    return max(0, round((now - cart.staging_at) * (whole - done) / done))


class _Ranges:
    """The positions of the windows that are done, from (first, length) in order."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self._firsts = [first for first, _ in ranges]
        self._ends = [first + length for first, length in ranges]

    def __contains__(self, position: int) -> bool:
        at = bisect_right(self._firsts, position) - 1
        return at >= 0 and position < self._ends[at]


def _state(cart: Cart, entry: Entries, staged: set[str], bundled: _Ranges) -> str:
    if entry.error:
        return "error"
    if cart.state == CartState.READY or entry.position in bundled:
        return "bundled"
    if entry.archive_id in staged and cart.state != CartState.WAITING:
        return "staged"
    return "on_tape" if entry.on_tape else "waiting"
