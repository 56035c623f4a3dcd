"""What only operators do with carts: let one begin again, or delete those that nobody uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.cart_progress import NOTHING_COUNTED
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.guarded_changes import CartChanges


class OperatedCartStore:
    """Each method runs within the caller's transaction."""

    def __init__(self, database: Database, changes: CartChanges) -> None:
        self._db = database
        self._changes = changes

    def restart(self, cart: Cart, cause: str) -> bool:
        """Let a failed cart that still has its entries begin again, within the caller's transaction.

        As a new attempt, whose key is another: whatever still removes the old attempt's bundle leaves it alone.
        """
        begun: dict[str, Any] = {"state": CartState.WAITING, "attempt": Carts.attempt + 1, "used_at": self._db.now}
        begun |= {"message": "", "upload_id": "", "windows_total": 0}
        begun |= {"ended_at": None, "staging_at": None, "bundling_at": None}
        guards = (Carts.attempt == cart.attempt, Carts.cleared_at.is_null())
        return self._changes.enter(
            CartEvent.RESTARTED, cart.id, (CartState.ERROR,), *guards, cause=cause, **NOTHING_COUNTED | begun
        )

    def retire_unused(self, cart_id: int, states: Sequence[str], before: float) -> bool:
        """As CartStore.retire, of a cart in one of these states, not used since `before`, without a valid URL."""
        unused = (Carts.used_at <= before, Carts.url_until <= self._db.now)
        return self._changes.enter(CartEvent.DELETED, cart_id, states, *unused, live=None, deleted_at=self._db.now)
