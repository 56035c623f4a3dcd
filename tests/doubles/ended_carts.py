"""Double of chalicelib.stores.ended_carts.EndedCartStore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.stores.cart_row import CartState
from chalicelib.stores.ended_carts import EndedCart
from tests.doubles.database import MemoryDatabase


class MemoryEndedCartStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def to_clear(self, failed_for: float, limit: int) -> list[int]:
        carts, now = self._db.tables.carts, self._db.now
        due: dict[str, list[int]] = {}
        for cart_id, ended_at in sorted(self._db.tables.over.items()):
            cart = carts[cart_id]
            kept = cart.live == 1 and cart.state == CartState.ERROR and ended_at > now - failed_for
            if not kept and cart.cleared_at is None and not self._has_job(cart_id):
                due.setdefault(self._kind(cart_id), []).append(cart_id)
        return [cart_id for kind in ("error", "expired", "deleted") for cart_id in due.get(kind, [])[:limit]]

    def lock_uncleared(self, cart_id: int) -> bool:
        self._db.require_transaction()
        cart = self._db.tables.carts.get(cart_id)
        if cart is None or (cart.live and not cart.ended_badly):
            return False
        return cart.cleared_at is None and not self._has_job(cart_id)

    def mark_cleared(self, cart_id: int) -> None:
        self._db.require_transaction()
        cart = self._db.tables.carts[cart_id]
        self._db.tables.carts[cart_id] = replace(cart, cleared_at=cart.cleared_at or self._db.now)

    def over_for(self, seconds: float, limit: int) -> list[EndedCart]:
        by_end = sorted((at, cart_id) for cart_id, at in self._db.tables.over.items() if at <= self._db.now - seconds)
        found: list[EndedCart] = []
        for kind in ("deleted", "error", "expired"):
            ids = [cart_id for _, cart_id in by_end if self._kind(cart_id) == kind][:limit]
            found += [EndedCart(cart_id, self._db.tables.carts[cart_id].cleared_at is not None) for cart_id in ids]
        return found

    def delete(self, cart_ids: Sequence[int], also: Callable[[int], None]) -> int:
        self._db.require_transaction()
        carts = self._db.tables.carts
        free = [cart_id for cart_id in sorted(set(cart_ids) & carts.keys()) if not self._has_job(cart_id)]
        for cart_id in free:
            also(cart_id)
        cleared = [cart_id for cart_id in free if carts[cart_id].cleared_at is not None]
        for cart_id in cleared:
            del carts[cart_id], self._db.tables.over[cart_id]
        return len(cleared)

    def _kind(self, cart_id: int) -> str:
        cart = self._db.tables.carts[cart_id]
        return "deleted" if cart.live is None else str(cart.state)

    def _has_job(self, cart_id: int) -> bool:
        return any(job.cart_id == cart_id for job in self._db.tables.jobs.values())
