"""Double of chalicelib.stores.carts.CartStore."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.errors import CartNotFound
from chalicelib.notify.asked import NOBODY_ASKED, Asked
from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.cart_progress import MARK_EVERY, NOTHING_COUNTED, STALLED_AFTER
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.carts import LiveCartExists
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.posted_cart import posted_cart
from tests.doubles.charges import Uncharged
from tests.doubles.database import MemoryDatabase

BUILDING = (CartState.STAGING, CartState.BUNDLING)


class MemoryCartStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.charges = Uncharged()

    def insert(self, owner: str, uid: str, manifest: ManifestRow, request: str = "", notify: str | None = None) -> int:
        self._db.require_transaction()
        tables = self._db.tables
        if any((tables.owners[cart.id], cart.uid, cart.live) == (owner, uid, 1) for cart in tables.carts.values()):
            raise LiveCartExists
        cart_id = self._db.next_id()
        tables.owners[cart_id], tables.warnings[cart_id] = owner, list(manifest.warnings)
        tables.carts[cart_id] = replace(
            posted_cart(cart_id, owner, uid, manifest, ""), created_at=self._db.now, used_at=self._db.now
        )
        tables.requests[cart_id] = request
        self._record(cart_id, CartEvent.POSTED)
        return cart_id

    def warnings(self, cart_id: int) -> list[str]:
        return self._db.tables.warnings.get(cart_id, [])

    def asked(self, cart_id: int) -> Asked:
        return NOBODY_ASKED

    def states(self, cart_ids: Collection[int]) -> dict[int, str]:
        carts = self._db.tables.carts
        return {cart_id: carts[cart_id].state for cart_id in cart_ids if cart_id in carts and carts[cart_id].live}

    def get(self, cart_id: int) -> Cart:
        if cart_id not in self._db.tables.carts:
            raise CartNotFound
        return self._db.tables.carts[cart_id]

    def record_manifest(self, cart_id: int, manifest: ManifestRow) -> bool:
        options = {"root": manifest.root, "names": manifest.names, "sums": manifest.sums}
        changed = self._change(
            cart_id, (CartState.WAITING,), **options, files_total=manifest.files, uploaded=int(manifest.uploaded)
        )
        if changed:
            self._db.tables.warnings[cart_id] = list(manifest.warnings)
        return changed

    def begin_staging(self, cart_id: int, known: Cart | None = None) -> bool:
        staging: dict[str, Any] = {"state": CartState.STAGING, "staging_at": self._db.now}
        return self._db.transaction(lambda: self._enter(CartEvent.STAGING, cart_id, (CartState.WAITING,), **staging))

    def record_layout(self, cart: Cart, **layout: Any) -> bool:
        marks = {"earlier_at": self._db.now, "later_at": self._db.now}
        return self._change(cart.id, (CartState.STAGING,), _same_attempt(cart), **NOTHING_COUNTED | marks | layout)

    def void_layout(self, cart: Cart, why: str = "") -> bool:
        void: dict[str, Any] = {"state": CartState.STAGING, "upload_id": "", "windows_total": 0, **NOTHING_COUNTED}
        steps = (_same_attempt(cart), _added("attempt", 1))
        return self._enter(CartEvent.LAYOUT_VOIDED, cart.id, BUILDING, *steps, cause=why, **void)

    def count_staged(self, cart: Cart, files: int, size: int) -> None:
        self._change(cart.id, UNFINISHED, _added("files_staged", files), _added("bytes_staged", size))

    def count_uploaded(self, cart: Cart, size: int) -> None:
        self._change(cart.id, UNFINISHED, _added("bundle_bytes", size))

    def mark_progress(self, cart: Cart) -> None:
        self._change(cart.id, UNFINISHED, _changed(lambda row: _marked(row, self._db.now)))

    def count_window_staged(self, cart: Cart, files: int, size: int) -> None:
        self.count_staged(cart, files, size)
        self._change(cart.id, UNFINISHED, _added("windows_staged", 1))
        states = UNFINISHED if cart.windows_total == 1 else (CartState.STAGING,)
        bundling: dict[str, Any] = {"state": CartState.BUNDLING, "bundling_at": self._db.now}
        all_staged = _where(lambda row: cart.windows_total == 1 or row.windows_staged == row.windows_total)
        self._enter(CartEvent.BUNDLING, cart.id, states, all_staged, **bundling)

    def uncount_window_staged(self, cart: Cart) -> None:
        self._change(cart.id, UNFINISHED, _added("windows_staged", -1))

    def count_window_done(self, cart: Cart, size: int) -> bool:
        self._change(cart.id, UNFINISHED, _added("windows_done", 1), _added("bundle_bytes", size))
        return self.claim_completion(cart)

    def claim_completion(self, cart: Cart) -> bool:
        return self._change(cart.id, UNFINISHED, _where(lambda row: row.windows_done == row.windows_total), message="")

    def is_last_window_left(self, cart: Cart) -> bool:
        return self._change(
            cart.id, UNFINISHED, _where(lambda row: row.windows_done == row.windows_total - 1), message=""
        )

    def mark_ready(self, cart: Cart, size: int, etag: str, checksum: str) -> bool:
        bundle: dict[str, Any] = {
            "bundle_size": size,
            "bundle_bytes": size,
            "bundle_etag": etag,
            "bundle_checksum": checksum,
        }
        done: dict[str, Any] = {
            "state": CartState.READY,
            "ended_at": self._db.now,
            "used_at": self._db.now,
            "upload_id": "",
        }
        all_windows = _changed(lambda row: replace(row, windows_done=row.windows_total))
        steps = (_same_attempt(cart), all_windows)
        return self._enter(CartEvent.READY, cart.id, BUILDING, *steps, **bundle, **done)

    def fail(self, cart_id: int, message: str) -> bool:
        failed: dict[str, Any] = {"state": CartState.ERROR, "message": message[:1024], "ended_at": self._db.now}
        return self._over(cart_id, self._enter(CartEvent.ERROR, cart_id, UNFINISHED, cause=message, **failed))

    def expire(self, cart_id: int) -> bool:
        unused = _where(lambda row: row.url_until <= self._db.now)
        expired = self._enter(CartEvent.EXPIRED, cart_id, (CartState.READY,), unused, state=CartState.EXPIRED)
        return self._over(cart_id, expired)

    def retire(self, cart_id: int, event: CartEvent = CartEvent.DELETED) -> bool:
        return self._over(cart_id, self._enter(event, cart_id, tuple(CartState), live=None))

    def lock(self, cart_id: int) -> bool:
        return self._change(cart_id, tuple(CartState))

    def _over(self, cart_id: int, changed: bool) -> bool:
        """Record the time of a change that ended a cart."""
        if changed:
            self._db.tables.over[cart_id] = self._db.now
        return changed

    def _record(self, cart_id: int, event: CartEvent, cause: str = "") -> None:
        history = self._db.tables.history
        history[cart_id] = [*history.get(cart_id, ()), (event, cause)]

    def _enter(
        self, event: CartEvent, cart_id: int, states: Sequence[str], *steps: Step, cause: str = "", **values: Any
    ) -> bool:
        changed = self._change(cart_id, states, *steps, **values)
        if changed:
            self._record(cart_id, event, cause)
        return changed

    def _change(self, cart_id: int, states: Sequence[str], *steps: Step, **values: Any) -> bool:
        """Change a live cart in one of these states, unless a step returns None."""
        self._db.require_transaction()
        row: Cart | None = self._db.tables.carts.get(cart_id)
        if row is None or row.live != 1 or row.state not in states:
            return False
        for step in steps:
            row = step(row)
            if row is None:
                return False
        self._db.tables.carts[cart_id] = replace(row, **values)
        return True


#: A guard or a relative change: the row as it is then, or None where it must not change.
Step = Callable[[Cart], Cart | None]


def _where(condition: Callable[[Cart], bool]) -> Step:
    return lambda row: row if condition(row) else None


def _changed(change: Callable[[Cart], Cart]) -> Step:
    return change


def _same_attempt(cart: Cart) -> Step:
    return _where(lambda row: row.attempt == cart.attempt)


def _added(column: str, count: int) -> Step:
    values: Callable[[Cart], dict[str, Any]] = lambda row: {column: getattr(row, column) + count}  # noqa: E731
    return lambda row: replace(row, **values(row))


def _marked(row: Cart, now: float) -> Cart:
    counted = row.bytes_staged + row.bundle_bytes
    if (row.counted_at or row.later_at or 0) <= now - STALLED_AFTER:
        row = replace(row, earlier_at=now, earlier_bytes=counted, later_at=now, later_bytes=counted)
    elif row.later_at is not None and row.later_at <= now - MARK_EVERY:
        row = replace(row, earlier_at=row.later_at, earlier_bytes=row.later_bytes, later_at=now, later_bytes=counted)
    return replace(row, counted_at=now)
