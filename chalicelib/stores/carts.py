"""The cart store: the only writer of a cart's life; ended_carts.py writes what is left of it.

Every change of state is one guarded UPDATE whose row count says whether this caller made the change. A worker's changes
run within its fenced transaction (jobs.JobStore.fenced), except for `begin_staging`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import peewee

from chalicelib.db.database import Database, chunks, execute
from chalicelib.db.models import Carts
from chalicelib.errors import CartExpired, CartNotFound
from chalicelib.notify.asked import Asked, asked_of
from chalicelib.stores import cart_statements as statements
from chalicelib.stores.cart_charges import CartCharges
from chalicelib.stores.cart_history import CartEvent, CartHistoryStore, Happened
from chalicelib.stores.cart_progress import NOTHING_COUNTED, marks_of_progress, staged_more
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.guarded_changes import CartChanges
from chalicelib.stores.manifest_row import ManifestRow, warnings_of
from chalicelib.stores.operated_carts import OperatedCartStore
from chalicelib.stores.outbox import OutboxStore
from chalicelib.stores.posted_cart import posted_cart
from chalicelib.tracing.traces import Traces


class LiveCartExists(Exception):
    """Another request made a live cart of this uid first; roll back and look again."""


class CartStore:
    def __init__(
        self,
        database: Database,
        url_slack: float = 60.0,
        process: str = "",
        outbox: OutboxStore | None = None,
        traces: Traces | None = None,
    ) -> None:
        """`url_slack`: seconds added to a recorded URL's life, so that most downloads write nothing.

        `process`: the name of this process, for the history. `outbox`: where carts that end write whom to tell.
        """
        self._db = database
        self._outbox = outbox or OutboxStore(database)
        self._history = CartHistoryStore(database, process)
        self.changes = CartChanges(database, self._history, self._outbox, traces or Traces())
        self.operated = OperatedCartStore(database, self.changes)
        self.charges = CartCharges(database)
        self._url_slack = url_slack
        # The query of every HEAD and GET, cached as text: building it would cost four times the rest of the request.
        query = Carts.select(*statements.COLUMNS).where(Carts.owner == "", Carts.uid == "", statements.IS_LIVE)
        self._live_sql = database.text_of(query)

    def find(self, owner: str, uid: str) -> Cart:
        """The live cart. Raises CartNotFound, or CartExpired when its bundle has expired."""
        cart = self.live(owner, uid)
        if cart is None or cart.state == CartState.EXPIRED:
            raise CartExpired if cart else CartNotFound
        return cart

    def live(self, owner: str, uid: str) -> Cart | None:
        """The live cart in any state."""
        with self._db.session() as db:
            row = execute(db, self._live_sql, (owner, uid)).fetchone()
        return Cart(*row) if row else None

    def states(self, cart_ids: Collection[int]) -> dict[int, str]:
        """The state of each of these carts that is live."""
        found: dict[int, str] = {}
        with self._db.session() as db:
            for batch in chunks(sorted(cart_ids)):
                named = (Carts.live == 1) & Carts.id.in_(batch)
                found |= dict(Carts.select(Carts.id, Carts.state).where(named).tuples().execute(db))
        return found

    def get(self, cart_id: int) -> Cart:
        """A cart by its row, live or not. Raises CartNotFound."""
        row = statements.GET.run(self._db, id=cart_id).fetchone()
        if row is None:
            raise CartNotFound
        return Cart(*row)

    def history(self, cart_id: int) -> list[Happened]:
        """What happened to the cart, the oldest first."""
        return self._history.of_cart(cart_id)

    def warnings(self, cart_id: int) -> list[str]:
        """What the cart's client should know about its manifest."""
        with self._db.session() as db:
            row = Carts.select(Carts.warnings).where(Carts.id == cart_id).tuples().first(db)
        return warnings_of(row[0]) if row else []

    def insert(self, owner: str, uid: str, manifest: ManifestRow, request: str = "", notify: str | None = None) -> int:
        """Insert a live cart, within the caller's transaction, and return its row id. Raises LiveCartExists.

        `request`: the id of the request that posts it. `notify`: whom to tell of its end, as Asked.column writes it.
        """
        new = {"owner": owner, "uid": uid, "request": request, "notify": notify, "digest": manifest.digest}
        charge = {"charged": int(bool(owner)), "charged_entries": manifest.files if owner else 0}
        try:  # CartCharges.settle counts what is charged
            cart_id = int(statements.INSERT.run(self._db, **new, **manifest.columns(), **charge).lastrowid)
        except peewee.IntegrityError as error:
            raise LiveCartExists from error
        self.changes.record(cart_id, CartEvent.POSTED, known=posted_cart(cart_id, owner, uid, manifest, request))
        return cart_id

    def asked(self, cart_id: int) -> Asked:
        """Whom the cart's owner asked to tell."""
        with self._db.session() as db:
            row = Carts.select(Carts.notify).where(Carts.id == cart_id).tuples().first(db)
        return asked_of(row[0] if row else None)

    def ask(self, cart_id: int, notify: Asked) -> None:
        """Change whom to tell, within the caller's transaction; of a cart that is ready already, they are told now."""
        column = notify.column()
        if self.changes.change(cart_id, UNFINISHED, notify=column) or column is None:
            return
        is_new = Carts.notify.is_null() | (Carts.notify != column)  # the same POST again tells nobody twice
        if self.changes.change(cart_id, (CartState.READY,), is_new, notify=column):
            self._outbox.write_asked(cart_id, CartState.READY)

    def record_manifest(self, cart_id: int, manifest: ManifestRow) -> bool:
        """Record what an uploaded manifest contains, except for its digest."""
        return self.changes.change(cart_id, (CartState.WAITING,), **manifest.columns())

    def record_download(self, cart: Cart, now: float, life: float) -> None:
        """Record that a URL valid for `life` seconds was handed out: the bundle is kept at least that long.

        Raises CartNotFound if the cart has ended since it was read.
        """
        if self.covers_download(cart, now, life):
            return
        query = Carts.update(used_at=now, url_until=now + life + self._url_slack)
        with self._db.writing() as db:
            if not query.where(Carts.id == cart.id, Carts.live == 1, Carts.state == cart.state).execute(db):
                raise CartNotFound

    def record_use(self, cart: Cart) -> bool:
        """Record that a ready cart was posted again, within the caller's transaction; False if it has ended since."""
        if cart.state != CartState.READY:
            return True
        return self.changes.change(cart.id, (CartState.READY,), used_at=self._db.now)

    def covers_download(self, cart: Cart, now: float, life: float) -> bool:
        """Whether a download recorded before keeps the bundle long enough, so that this one need not be recorded."""
        return cart.url_until >= now + life - self._url_slack

    def begin_staging(self, cart_id: int, known: Cart | None = None) -> bool:
        """`known`: its row, for the log."""
        begin = statements.BEGIN_STAGING
        return self._db.transaction(lambda: self.changes.enter_by(CartEvent.STAGING, cart_id, begin, known))

    def record_layout(self, cart: Cart, **layout: Any) -> bool:
        """Record a layout: part_size, bytes_total, windows_total, bundle_size, upload_id; windows_staged if not 0."""
        statement = statements.record_layout(tuple(sorted(layout)))
        return bool(statement.run(self._db, id=cart.id, attempt=cart.attempt, **layout).rowcount)

    def void_layout(self, cart: Cart, cause: str = "") -> bool:
        """Void the layout: the next attempt makes a new one, under a new key."""
        changed: dict[str, Any] = {"state": CartState.STAGING, "attempt": Carts.attempt + 1}
        changed |= {"upload_id": "", "windows_total": 0}
        attempt = Carts.attempt == cart.attempt
        values = NOTHING_COUNTED | changed
        return self.changes.enter(CartEvent.LAYOUT_VOIDED, cart.id, statements.LAID_OUT, attempt, cause=cause, **values)

    def count_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count files that are now on the volume, `size` bytes in all."""
        self.changes.change(cart.id, UNFINISHED, **staged_more(files, size))

    def count_uploaded(self, cart: Cart, size: int) -> None:
        """Count bytes of the bundle that are in the store."""
        self.changes.change(cart.id, UNFINISHED, bundle_bytes=Carts.bundle_bytes + size)

    def mark_progress(self, cart: Cart) -> None:
        """Note that progress was counted now, for `seconds_left`; within the transaction that counted it."""
        self.changes.change(cart.id, UNFINISHED, **marks_of_progress(self._db.now))

    def count_window_staged(self, cart: Cart, files: int, size: int) -> None:
        """Count a window's last files; the last window moves the cart to `bundling`."""
        if cart.windows_total == 1:
            known, more = cart if cart.staging_at else None, {"files": files, "size": size}
            self.changes.enter_by(CartEvent.BUNDLING, cart.id, statements.ONLY_WINDOW_STAGED, known, **more)
            return
        bundling: dict[str, Any] = {"state": CartState.BUNDLING, "bundling_at": self._db.now}
        one_more = {"windows_staged": Carts.windows_staged + 1, **staged_more(files, size)}
        self.changes.change(cart.id, UNFINISHED, **one_more)
        all_staged = Carts.windows_staged == Carts.windows_total
        self.changes.enter(CartEvent.BUNDLING, cart.id, (CartState.STAGING,), all_staged, **bundling)

    def uncount_window_staged(self, cart: Cart) -> None:
        """Undo `count_window_staged`: one of the window's files is gone."""
        self.changes.change(cart.id, UNFINISHED, windows_staged=Carts.windows_staged - 1)

    def count_window_done(self, cart: Cart, size: int) -> bool:
        """Count a window whose bytes are in the store; True for the one caller that counts the last window."""
        one_more = {"windows_done": Carts.windows_done + 1, "bundle_bytes": Carts.bundle_bytes + size}
        self.changes.change(cart.id, UNFINISHED, **one_more)
        return self.claim_completion(cart)

    def claim_completion(self, cart: Cart) -> bool:
        """Whether all windows are done; it also clears the cart's message."""
        return self.changes.change(cart.id, UNFINISHED, Carts.windows_done == Carts.windows_total, message="")

    def is_last_window_left(self, cart: Cart) -> bool:
        """Whether all windows but one are done, within the caller's transaction; it locks the cart's row."""
        return self.changes.change(cart.id, UNFINISHED, Carts.windows_done == Carts.windows_total - 1, message="")

    def mark_ready(self, cart: Cart, size: int, etag: str, checksum: str) -> bool:
        bundle: dict[str, Any] = {"bundle_size": size, "bundle_etag": etag, "bundle_checksum": checksum}
        known = dataclasses.replace(cart, bundle_size=size) if cart.bundling_at else None
        quiet, told = statements.READY_UNTOLD, statements.READY
        return self.changes.end_by(CartEvent.READY, cart.id, quiet, told, known, attempt=cart.attempt, **bundle)

    def fail(self, cart_id: int, message: str) -> bool:
        """End an unfinished cart in `error`, within the caller's transaction; see endings.CartEndings."""
        failed: dict[str, Any] = {"state": CartState.ERROR, "message": message[:1024], "ended_at": self._db.now}
        return self.changes.end(CartEvent.ERROR, cart_id, UNFINISHED, cause=message, **failed)

    def expire(self, cart_id: int) -> bool:
        """Expire a ready cart that no valid URL refers to, within the caller's transaction."""
        unused = Carts.url_until <= self._db.now
        expired: dict[str, Any] = {"state": CartState.EXPIRED, "expired_at": self._db.now}
        return self.changes.enter(CartEvent.EXPIRED, cart_id, (CartState.READY,), unused, **expired)

    def retire(self, cart_id: int, event: CartEvent = CartEvent.DELETED) -> bool:
        """Make a cart no longer live, within the caller's transaction: clients do not find it any more.

        `event`: DELETED or REPLACED.
        """
        return self.changes.enter(event, cart_id, tuple(CartState), live=None, deleted_at=self._db.now)

    def lock(self, cart_id: int) -> bool:
        """Lock the row of a live cart within the caller's transaction; False if the cart is no longer live."""
        query = Carts.update(used_at=Carts.used_at).where(Carts.id == cart_id, Carts.live == 1)
        return bool(query.execute(self._db.peewee))
