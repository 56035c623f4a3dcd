"""Double of chalicelib.stores.carts.CartStore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.errors import CartNotFound
from chalicelib.stores.carts import UNFINISHED, Cart, CartState, LiveCartExists
from tests.doubles.database import MemoryDatabase

BUILDING = (CartState.STAGING, CartState.BUNDLING)


class MemoryCartStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def insert(self, owner: str, uid: str, root: str, digest: str, files: int, *, uploaded: bool = False) -> int:
        self._db.require_transaction()
        tables = self._db.tables
        if any((tables.owners[cart.id], cart.uid, cart.live) == (owner, uid, 1) for cart in tables.carts.values()):
            raise LiveCartExists
        cart_id = self._db.next_id()
        tables.owners[cart_id] = owner
        tables.carts[cart_id] = _new_cart(cart_id, uid, root, digest, files, int(uploaded), self._db.now)
        return cart_id

    def get(self, cart_id: int) -> Cart:
        if cart_id not in self._db.tables.carts:
            raise CartNotFound
        return self._db.tables.carts[cart_id]

    def record_manifest(self, cart_id: int, root: str, files: int) -> bool:
        return self._change(cart_id, (CartState.WAITING,), root=root, files_total=files, uploaded=1)

    def begin_staging(self, cart_id: int) -> bool:
        staging = {"state": CartState.STAGING, "staging_at": self._db.now}
        return self._db.transaction(lambda: self._change(cart_id, (CartState.WAITING,), **staging))

    def record_layout(self, cart: Cart, **layout: Any) -> bool:
        zero = {"files_staged": 0, "bytes_staged": 0, "windows_staged": 0, "windows_done": 0, "bundle_bytes": 0}
        return self._change(cart.id, (CartState.STAGING,), _same_attempt(cart), **layout, **zero)

    def void_layout(self, cart: Cart) -> bool:
        void = {"state": CartState.STAGING, "upload_id": "", "windows_total": 0}
        return self._change(cart.id, BUILDING, _same_attempt(cart), _added("attempt", 1), **void)

    def count_staged(self, cart: Cart, files: int, size: int) -> None:
        self._change(cart.id, UNFINISHED, _added("files_staged", files), _added("bytes_staged", size))

    def count_window_staged(self, cart: Cart, files: int, size: int) -> None:
        self.count_staged(cart, files, size)
        self._change(cart.id, UNFINISHED, _added("windows_staged", 1))
        states = UNFINISHED if cart.windows_total == 1 else (CartState.STAGING,)
        bundling = {"state": CartState.BUNDLING, "bundling_at": self._db.now}
        all_staged = _where(lambda row: cart.windows_total == 1 or row.windows_staged == row.windows_total)
        self._change(cart.id, states, all_staged, **bundling)

    def uncount_window_staged(self, cart: Cart) -> None:
        self._change(cart.id, UNFINISHED, _added("windows_staged", -1))

    def count_window_done(self, cart: Cart, size: int) -> bool:
        self._change(cart.id, UNFINISHED, _added("windows_done", 1), _added("bundle_bytes", size))
        return self.claim_completion(cart)

    def claim_completion(self, cart: Cart) -> bool:
        return self._change(cart.id, UNFINISHED, _where(lambda row: row.windows_done == row.windows_total), message="")

    def mark_ready(self, cart: Cart, size: int, etag: str, checksum: str) -> bool:
        bundle = {"bundle_size": size, "bundle_bytes": size, "bundle_etag": etag, "bundle_checksum": checksum}
        done = {"state": CartState.READY, "ended_at": self._db.now, "used_at": self._db.now, "upload_id": ""}
        all_windows = _changed(lambda row: replace(row, windows_done=row.windows_total))
        return self._change(cart.id, BUILDING, _same_attempt(cart), all_windows, **bundle, **done)

    def fail(self, cart_id: int, message: str) -> bool:
        failed = {"state": CartState.ERROR, "message": message[:1024], "ended_at": self._db.now}
        return self._change(cart_id, UNFINISHED, **failed)

    def expire(self, cart_id: int) -> bool:
        unused = _where(lambda row: row.url_until <= self._db.now)
        expired = {"state": CartState.EXPIRED}
        return self._change(cart_id, (CartState.READY,), unused, **expired)

    def retire(self, cart_id: int) -> bool:
        return self._change(cart_id, tuple(CartState), live=None)

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


def _new_cart(cart_id: int, uid: str, root: str, digest: str, files: int, uploaded: int, now: float) -> Cart:
    return Cart(
        id=cart_id,
        uid=uid,
        live=1,
        state=CartState.WAITING,
        message="",
        root=root,
        digest=digest,
        uploaded=uploaded,
        attempt=1,
        upload_id="",
        part_size=0,
        files_total=files,
        files_staged=0,
        bytes_total=0,
        bytes_staged=0,
        windows_total=0,
        windows_staged=0,
        windows_done=0,
        bundle_size=0,
        bundle_bytes=0,
        bundle_etag="",
        bundle_checksum="",
        created_at=now,
        staging_at=None,
        bundling_at=None,
        ended_at=None,
        used_at=now,
        url_until=0.0,
    )
