"""The cart store: the only writer of carts.

Every change of state is one guarded UPDATE whose row count says whether this caller made the change. A worker's changes
run within its fenced transaction (jobs.JobStore.fenced), except for `begin_staging`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import peewee

from chalicelib.db.database import Database, chunks, execute
from chalicelib.db.models import Carts
from chalicelib.errors import CartExpired, CartNotFound
from chalicelib.manifest.reader import UPLOAD_DIGEST


class CartState(StrEnum):
    WAITING = "waiting"
    STAGING = "staging"
    BUNDLING = "bundling"
    READY = "ready"
    ERROR = "error"
    EXPIRED = "expired"  # never on the wire: clients get 404


UNFINISHED = (CartState.WAITING, CartState.STAGING, CartState.BUNDLING)


class LiveCartExists(Exception):
    """Another request made a live cart of this uid first; roll back and look again."""


@dataclass(frozen=True, slots=True)
class Cart:
    """One row of carts. Times are seconds since the epoch, sizes are bytes."""

    id: int
    uid: str
    live: int | None
    state: str
    message: str
    root: str
    digest: str
    uploaded: int
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
    used_at: float
    url_until: float

    @property
    def ended_badly(self) -> bool:
        """Whether posting the same manifest again starts over."""
        return self.state in (CartState.ERROR, CartState.EXPIRED)


_COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(Cart)]


class CartStore:
    def __init__(self, database: Database, url_slack: float = 60.0) -> None:
        """`url_slack`: seconds added to a recorded URL's life, so that most downloads write nothing."""
        self._db = database
        self._url_slack = url_slack
        # The query of every HEAD and GET, cached as text: building it would cost four times the rest of the request.
        query = Carts.select(*_COLUMNS).where(Carts.owner == "", Carts.uid == "", Carts.live == peewee.SQL("1"))
        self._live_sql = database.text_of(query)

    def find(self, owner: str, uid: str) -> Cart:
        """The live cart. Raises CartNotFound, or CartExpired when its bundle has expired."""
        cart = self.live(owner, uid)
        if cart is None:
            raise CartNotFound
        if cart.state == CartState.EXPIRED:
            raise CartExpired
        return cart

    def live(self, owner: str, uid: str) -> Cart | None:
        """The live cart in any state."""
        with self._db.session() as db:
            row = execute(db, self._live_sql, (owner, uid)).fetchone()
        return Cart(*row) if row else None

    def get(self, cart_id: int) -> Cart:
        """A cart by its row, live or not. Raises CartNotFound."""
        with self._db.session() as db:
            row = Carts.select(*_COLUMNS).where(Carts.id == cart_id).tuples().first(db)
        if row is None:
            raise CartNotFound
        return Cart(*row)

    def insert(self, owner: str, uid: str, root: str, digest: str, files: int, *, uploaded: bool = False) -> int:
        """Insert a live cart, within the caller's transaction, and return its row id. Raises LiveCartExists."""
        new = {"owner": owner, "uid": uid, "root": root, "digest": digest, "files_total": files, "uploaded": uploaded}
        now = self._db.now
        try:
            return int(Carts.insert(created_at=now, used_at=now, **new).execute(self._db.peewee))
        except peewee.IntegrityError as error:
            raise LiveCartExists from error

    def has_uploaded_manifest(self, owner: str, uid: str) -> bool:
        """Whether the live cart has an uploaded manifest, and neither failed nor expired."""
        cart = self.live(owner, uid)
        if cart is None or cart.ended_badly:
            return False
        # The previous release sets no `uploaded`, so a cart that it posts during an upgrade is known by its digest.
        return bool(cart.uploaded) or cart.digest.startswith(UPLOAD_DIGEST)

    def record_manifest(self, cart_id: int, root: str, files: int) -> bool:
        """Record that an uploaded manifest was read and has `files` entries."""
        # `uploaded` again: an API of the previous release does not set it.
        return self._change(cart_id, (CartState.WAITING,), root=root, files_total=files, uploaded=1)

    def record_download(self, cart: Cart, now: float, life: float) -> None:
        """Record that a URL valid for `life` seconds was handed out: the bundle is kept at least that long."""
        if cart.url_until >= now + life - self._url_slack:
            return
        query = Carts.update(used_at=now, url_until=now + life + self._url_slack).where(Carts.id == cart.id)
        with self._db.session() as db:
            query.execute(db)

    def begin_staging(self, cart_id: int) -> bool:
        with self._db.session():
            return self._change(cart_id, (CartState.WAITING,), state=CartState.STAGING, staging_at=self._db.now)

    def record_layout(self, cart: Cart, **layout: Any) -> bool:
        """Record a layout: part_size, bytes_total, windows_total, bundle_size, upload_id."""
        zero = {"files_staged": 0, "bytes_staged": 0, "windows_staged": 0, "windows_done": 0, "bundle_bytes": 0}
        return self._change(cart.id, (CartState.STAGING,), Carts.attempt == cart.attempt, **layout, **zero)

    def void_layout(self, cart: Cart) -> bool:
        """Void the layout: the next attempt makes a new one, under a new key."""
        changed = {"state": CartState.STAGING, "attempt": Carts.attempt + 1, "upload_id": "", "windows_total": 0}
        return self._change(cart.id, (CartState.STAGING, CartState.BUNDLING), Carts.attempt == cart.attempt, **changed)

    def count_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count files that are now on the volume, `size` bytes in all."""
        self._change(cart.id, UNFINISHED, **_staged_more(files, size))

    def count_window_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count a window's last files; the last window moves the cart to `bundling`."""
        bundling = {"state": CartState.BUNDLING, "bundling_at": self._db.now}
        one_more = {"windows_staged": Carts.windows_staged + 1, **_staged_more(files, size)}
        if cart.windows_total == 1:
            self._change(cart.id, UNFINISHED, **one_more, **bundling)
            return
        self._change(cart.id, UNFINISHED, **one_more)
        self._change(cart.id, (CartState.STAGING,), Carts.windows_staged == Carts.windows_total, **bundling)

    def uncount_window_staged(self, cart: Cart) -> None:
        """Undo `count_window_staged`: one of the window's files is gone."""
        self._change(cart.id, UNFINISHED, windows_staged=Carts.windows_staged - 1)

    def count_window_done(self, cart: Cart, size: int) -> bool:
        """Count a window whose bytes are in the store; True for the one caller that counts the last window."""
        one_more = {"windows_done": Carts.windows_done + 1, "bundle_bytes": Carts.bundle_bytes + size}
        self._change(cart.id, UNFINISHED, **one_more)
        return self.claim_completion(cart)

    def claim_completion(self, cart: Cart) -> bool:
        """Whether all windows are done; it also clears the cart's message."""
        return self._change(cart.id, UNFINISHED, Carts.windows_done == Carts.windows_total, message="")

    def mark_ready(self, cart: Cart, size: int, etag: str, checksum: str) -> bool:
        now = self._db.now
        bundle = {"bundle_size": size, "bundle_bytes": size, "bundle_etag": etag, "bundle_checksum": checksum}
        done = {
            "state": CartState.READY,
            "ended_at": now,
            "used_at": now,
            "upload_id": "",
            "windows_done": Carts.windows_total,
        }
        return self._change(
            cart.id, (CartState.STAGING, CartState.BUNDLING), Carts.attempt == cart.attempt, **bundle, **done
        )

    def fail(self, cart_id: int, message: str) -> bool:
        """End an unfinished cart in `error`, within the caller's transaction; see endings.CartEndings."""
        return self._change(cart_id, UNFINISHED, state=CartState.ERROR, message=message[:1024], ended_at=self._db.now)

    def expire(self, cart_id: int) -> bool:
        """Expire a ready cart that no valid URL refers to, within the caller's transaction."""
        unused = Carts.url_until <= self._db.now
        return self._change(cart_id, (CartState.READY,), unused, state=CartState.EXPIRED, expired_at=self._db.now)

    def retire(self, cart_id: int) -> bool:
        """Make a cart no longer live, within the caller's transaction: clients do not find it any more."""
        query = Carts.update(live=None, deleted_at=self._db.now).where(Carts.id == cart_id, Carts.live == 1)
        return bool(query.execute(self._db.peewee))

    def overdue(self, deadline: float, limit: int) -> list[int]:
        """Up to `limit` unfinished carts posted more than `deadline` seconds ago."""
        # used_at is the time of the POST until the cart is ready, so the carts_expiry index also serves here.
        late = (Carts.live == 1) & Carts.state.in_(UNFINISHED) & (Carts.used_at <= self._db.now - deadline)
        with self._db.session() as db:
            return [row[0] for row in Carts.select(Carts.id).where(late).limit(limit).tuples().execute(db)]

    def expirable(self, unused_for: float, limit: int) -> list[tuple[int, int]]:
        """Id and bundle bytes of up to `limit` ready carts unused for that many seconds, least recently used first."""
        now = self._db.now
        ready = (Carts.live == 1) & (Carts.state == CartState.READY)
        idle = (Carts.used_at <= now - unused_for) & (Carts.url_until <= now)
        query = Carts.select(Carts.id, Carts.bundle_size).where(ready, idle).order_by(Carts.used_at).limit(limit)
        with self._db.session() as db:
            return [(cart_id, size) for cart_id, size in query.tuples().execute(db)]

    def bundle_bytes(self) -> int:
        """Bytes of all bundles of ready carts."""
        query = Carts.select(peewee.fn.SUM(Carts.bundle_size))
        with self._db.session() as db:
            return int(query.where(Carts.live == 1, Carts.state == CartState.READY).scalar(db) or 0)

    def upload_ids(self, cart_ids: Iterable[int]) -> set[str]:
        """The multipart uploads these carts have recorded."""
        found: set[str] = set()
        with self._db.session() as db:
            for ids in chunks(sorted(set(cart_ids))):
                query = Carts.select(Carts.upload_id).where(Carts.id.in_(ids), Carts.upload_id != "")
                found |= {row[0] for row in query.tuples().execute(db)}
        return found

    def _change(self, cart_id: int, states: Sequence[str], *guards: Any, **values: Any) -> bool:
        query = Carts.update(**values).where(Carts.id == cart_id, Carts.live == 1, Carts.state.in_(states), *guards)
        return bool(query.execute(self._db.peewee))


def _staged_more(files: int, size: int) -> dict[str, Any]:
    return {"files_staged": Carts.files_staged + files, "bytes_staged": Carts.bytes_staged + size}
