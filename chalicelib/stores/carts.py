"""The cart store: the only SQL on carts.

Every change of state is one guarded UPDATE whose row count decides who goes on. What a worker changes runs within its
fenced transaction (jobs.JobStore.fenced).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts
from chalicelib.errors import CartExpired, CartNotFound
from chalicelib.manifest.reader import Manifest
from chalicelib.stores import jobs
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobMessage, JobStore

WAITING, STAGING, BUNDLING, READY, ERROR = "waiting", "staging", "bundling", "ready", "error"
EXPIRED = "expired"  # never on the wire: such a cart is not found
UNFINISHED = (WAITING, STAGING, BUNDLING)
UPLOAD = "upload-"  # what the digest of an uploaded manifest begins with
EXPIRED_AT_ONCE = 100
URL_SLACK = 60.0  # seconds by which the record of the last URL may be behind, so that most downloads write nothing


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart as the database has it. Times are seconds since the epoch, sizes are bytes."""

    id: int
    uid: str
    live: int | None
    state: str
    message: str
    root: str
    digest: str
    attempt: int
    upload_id: str
    part_size: int
    files_total: int
    files_staged: int
    bytes_total: int
    bytes_staged: int
    windows_total: int
    windows_staged: int
    windows_done: int
    bundle_size: int
    bundle_bytes: int
    bundle_etag: str
    bundle_checksum: str
    created_at: float
    staging_at: float | None
    bundling_at: float | None
    ended_at: float | None
    expired_at: float | None
    used_at: float
    url_until: float


_COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(Cart)]


class CartStore:
    def __init__(self, database: Database, job_store: JobStore) -> None:
        self._db = database
        self._jobs = job_store
        self._entries = EntryStore(database)
        # What every HEAD and GET asks: putting it together costs four times what the rest of the request does.
        query = Carts.select(*_COLUMNS).where(Carts.owner == "", Carts.uid == "", Carts.live == peewee.SQL("1"))
        self._live_sql = database.text_of(query)

    def find(self, owner: str, uid: str) -> Cart:
        """The live cart. Raises CartNotFound, or CartExpired for one whose bundle was dropped."""
        cart = self._live(owner, uid)
        if cart is None:
            raise CartNotFound
        if cart.state == EXPIRED:
            raise CartExpired
        return cart

    def get(self, cart_id: int) -> Cart:
        """A cart by its row, live or not. Raises CartNotFound."""
        with self._db.session() as db:
            row = Carts.select(*_COLUMNS).where(Carts.id == cart_id).tuples().first(db)
        if row is None:
            raise CartNotFound
        return Cart(*row)

    def add(self, owner: str, uid: str, manifest: Manifest) -> list[JobMessage]:
        """Make `manifest` the live cart of `uid`; the jobs to send, none when it is that already.

        Another manifest, or one whose cart failed or expired, replaces the old cart.
        """

        def insert() -> JobMessage:
            cart_id = self._insert(owner, uid, manifest.root, manifest.digest, len(manifest.entries))
            self._entries.add(cart_id, 0, manifest.entries)
            return self._jobs.add(cart_id, jobs.RECALL)

        return self._replace(owner, uid, manifest.digest, insert)

    def add_uploaded(self, owner: str, uid: str, digest: str) -> list[JobMessage]:
        """Make the manifest that was uploaded for `uid` its live cart; a worker reads it. `digest` tells it apart."""

        def insert() -> JobMessage:
            return self._jobs.add(self._insert(owner, uid, uid, digest, 0), jobs.MANIFEST)

        return self._replace(owner, uid, digest, insert)

    def is_uploaded(self, owner: str, uid: str) -> bool:
        """Whether the live cart is that of an uploaded manifest, and neither failed nor expired."""
        cart = self._live(owner, uid)
        return cart is not None and cart.digest.startswith(UPLOAD) and cart.state not in (ERROR, EXPIRED)

    def manifest_read(self, cart_id: int, root: str, files: int) -> bool:
        """An uploaded manifest has become `files` entries."""
        return self._change(cart_id, (WAITING,), root=root, files_total=files)

    def _replace(self, owner: str, uid: str, digest: str, insert: Callable[[], JobMessage]) -> list[JobMessage]:
        for _ in range(10):
            try:
                return self._db.transaction(lambda: self._replaced(owner, uid, digest, insert))
            except peewee.IntegrityError:
                continue  # someone else posted this uid meanwhile: look again
        raise AssertionError(f"ten posts of {uid} at once")

    def delete(self, owner: str, uid: str) -> tuple[Cart, list[JobMessage]]:
        """Take a cart away: it is gone at once, its work stops at its next step. Raises CartNotFound."""

        def work() -> tuple[Cart, list[JobMessage]]:
            cart = self._live(owner, uid)
            if cart is None or not self._retire(cart.id):
                raise CartNotFound
            return cart, [self._jobs.add(cart.id, jobs.CLEANUP)]

        return self._db.transaction(work)

    def handed_out(self, cart: Cart, now: float, life: float) -> None:
        """Record a download: the bundle stays at least while the URL that was handed out is valid."""
        if cart.url_until >= now + life - URL_SLACK:
            return
        query = Carts.update(used_at=now, url_until=now + life + URL_SLACK).where(Carts.id == cart.id)
        with self._db.session() as db:
            query.execute(db)

    def begin_staging(self, cart_id: int) -> bool:
        with self._db.session():
            return self._change(cart_id, (WAITING,), state=STAGING, staging_at=self._db.now)

    def laid_out(self, cart: Cart, **layout: Any) -> bool:
        """Record a layout: part_size, bytes_total, windows_total, bundle_size, upload_id."""
        zero = {"files_staged": 0, "bytes_staged": 0, "windows_staged": 0, "windows_done": 0, "bundle_bytes": 0}
        return self._change(cart.id, (STAGING,), Carts.attempt == cart.attempt, **layout, **zero)

    def lay_out_anew(self, cart: Cart) -> bool:
        """Void the layout: the next attempt makes its own, under a key of its own."""
        changed = {"state": STAGING, "attempt": Carts.attempt + 1, "upload_id": "", "windows_total": 0}
        return self._change(cart.id, (STAGING, BUNDLING), Carts.attempt == cart.attempt, **changed)

    def count_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count files that lie on the volume now, `size` bytes in all."""
        self._change(cart.id, UNFINISHED, **_staged_more(files, size))

    def window_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count a window's last files; with the last window the cart is `bundling`."""
        bundling = {"state": BUNDLING, "bundling_at": self._db.now}
        one_more = {"windows_staged": Carts.windows_staged + 1, **_staged_more(files, size)}
        if cart.windows_total == 1:
            self._change(cart.id, UNFINISHED, **one_more, **bundling)
            return
        self._change(cart.id, UNFINISHED, **one_more)
        self._change(cart.id, (STAGING,), Carts.windows_staged == Carts.windows_total, **bundling)

    def window_unstaged(self, cart: Cart) -> None:
        """Take back that a window is staged: one of its files is not there any more."""
        self._change(cart.id, UNFINISHED, windows_staged=Carts.windows_staged - 1)

    def window_done(self, cart: Cart, size: int) -> bool:
        """Count a window whose bytes are in the store; True for the one caller that counted the last."""
        one_more = {"windows_done": Carts.windows_done + 1, "bundle_bytes": Carts.bundle_bytes + size}
        self._change(cart.id, UNFINISHED, **one_more)
        return self.all_windows_done(cart)

    def all_windows_done(self, cart: Cart) -> bool:
        return self._change(cart.id, UNFINISHED, Carts.windows_done == Carts.windows_total, message="")

    def ready(self, cart: Cart, size: int, etag: str, checksum: str) -> bool:
        now = self._db.now
        bundle = {"bundle_size": size, "bundle_bytes": size, "bundle_etag": etag, "bundle_checksum": checksum}
        done = {"state": READY, "ended_at": now, "used_at": now, "upload_id": "", "windows_done": Carts.windows_total}
        return self._change(cart.id, (STAGING, BUNDLING), Carts.attempt == cart.attempt, **bundle, **done)

    def expire(self, ttl: float, safe: float, limit: int) -> list[JobMessage]:
        """Let bundles go that were not used for `ttl` seconds, and the least recently used beyond `limit` bytes.

        None that was used within `safe` seconds, nor while a URL that was handed out for it is valid.
        """
        overdue = self._expirable(max(ttl, safe))
        if limit:
            overdue += self._beyond(limit, safe, overdue)
        return [hint for cart_id, _ in overdue for hint in self._db.transaction(lambda one=cart_id: self._expire(one))]  # type: ignore[misc]

    def fail(self, cart_id: int, message: str) -> list[JobMessage]:
        """End a cart in `error`: its other work stops; the job to send cleans up what it left."""
        if not self._change(cart_id, UNFINISHED, state=ERROR, message=message[:1024], ended_at=self._db.now):
            return []
        self._jobs.drop_all(cart_id)
        return [self._jobs.add(cart_id, jobs.CLEANUP)]

    def _expirable(self, unused_for: float) -> list[tuple[int, int]]:
        """(id, bytes) of ready carts that may go, the least recently used first; a batch of them."""
        now = self._db.now
        ready = (Carts.live == 1) & (Carts.state == READY)
        idle = (Carts.used_at <= now - unused_for) & (Carts.url_until <= now)
        query = (
            Carts.select(Carts.id, Carts.bundle_size).where(ready, idle).order_by(Carts.used_at).limit(EXPIRED_AT_ONCE)
        )
        with self._db.session() as db:
            return [(cart_id, size) for cart_id, size in query.tuples().execute(db)]

    def _beyond(self, limit: int, safe: float, going: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """What has to go besides `going`, for the bundles to take no more than `limit` bytes."""
        with self._db.session() as db:
            query = Carts.select(peewee.fn.SUM(Carts.bundle_size)).where(Carts.live == 1, Carts.state == READY)
            excess = int(query.scalar(db) or 0) - limit - sum(size for _, size in going)
        more = []
        for cart_id, size in self._expirable(safe):
            if excess <= 0:
                break
            if (cart_id, size) not in going:
                more.append((cart_id, size))
                excess -= size
        return more

    def _expire(self, cart_id: int) -> list[JobMessage]:
        unused = Carts.url_until <= self._db.now
        if not self._change(cart_id, (READY,), unused, state=EXPIRED, expired_at=self._db.now):
            return []
        return [self._jobs.add(cart_id, jobs.CLEANUP)]

    def _change(self, cart_id: int, states: Sequence[str], *guards: Any, **values: Any) -> bool:
        query = Carts.update(**values).where(Carts.id == cart_id, Carts.live == 1, Carts.state.in_(states), *guards)
        return bool(query.execute(self._db.peewee))

    def _live(self, owner: str, uid: str) -> Cart | None:
        with self._db.session() as db:
            row = execute(db, self._live_sql, (owner, uid)).fetchone()
        return Cart(*row) if row else None

    def _replaced(self, owner: str, uid: str, digest: str, insert: Callable[[], JobMessage]) -> list[JobMessage]:
        old = self._live(owner, uid)
        hints: list[JobMessage] = []
        if old is not None:
            if old.digest == digest and old.state not in (ERROR, EXPIRED):
                return hints
            if self._retire(old.id):
                hints.append(self._jobs.add(old.id, jobs.CLEANUP))
        return [*hints, insert()]

    def _insert(self, owner: str, uid: str, root: str, digest: str, files: int) -> int:
        now = self._db.now
        new = {"owner": owner, "uid": uid, "root": root, "digest": digest, "files_total": files}
        return int(Carts.insert(created_at=now, used_at=now, **new).execute(self._db.peewee))

    def _retire(self, cart_id: int) -> bool:
        query = Carts.update(live=None, deleted_at=self._db.now).where(Carts.id == cart_id, Carts.live == 1)
        if not query.execute(self._db.peewee):
            return False
        self._jobs.drop_all(cart_id)
        return True


def _staged_more(files: int, size: int) -> dict[str, Any]:
    return {"files_staged": Carts.files_staged + files, "bytes_staged": Carts.bytes_staged + size}
