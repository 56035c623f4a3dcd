"""Deletes the rows of carts that have been over for HISTORY_DAYS: nothing of such a cart is left then."""

from __future__ import annotations

import logging
from collections.abc import Callable

from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.sweep.clear_carts import ClearCarts

log = logging.getLogger(__name__)


class OldCarts:
    """A cart's row goes after its entries and its bundle: by the row, the sweep finds what is left of the cart."""

    def __init__(
        self,
        database: Database,
        ended_carts: EndedCartStore,
        clear_carts: ClearCarts,
        delete_also: Callable[[int], None],
        kept_for: float,
        limit: int,
    ) -> None:
        """`delete_also` deletes a cart's rows in other tables. `kept_for`: seconds after the end of a cart.

        `limit`: carts that one sweep looks at, per kind of end.
        """
        self._db = database
        self._ended_carts = ended_carts
        self._clear_carts = clear_carts
        self._delete_also = delete_also
        self._kept_for = kept_for
        self._limit = limit

    def run(self) -> list[JobMessage]:
        """The messages of carts that must be cleared first."""
        messages: list[JobMessage] = []
        over = self._ended_carts.over_for(self._kept_for, self._limit)
        for cart in over:
            if not cart.cleared:
                messages += self._clear_carts.clear(cart.id)
        cleared = [cart.id for cart in over if cart.cleared]
        if cleared:
            deleted = self._db.transaction(lambda: self._ended_carts.delete(cleared, self._delete_also))
            log.info("deleted the rows of %d old carts", deleted)
        return messages
