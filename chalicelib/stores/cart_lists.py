"""Lists of live carts: a read model over carts. It writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.stores.cart_row import UNFINISHED, CartState

LISTED = (*UNFINISHED, CartState.READY, CartState.ERROR)  # an expired cart is gone for its client


@dataclass(frozen=True, slots=True)
class ListedCart:
    """Part of a row of carts. Times are seconds since the epoch, sizes are bytes."""

    id: int
    owner: str
    uid: str
    state: str
    message: str
    files_total: int
    bytes_total: int
    bundle_size: int
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class CartPage:
    """`next`: the row to continue after; None on the last page."""

    carts: Sequence[ListedCart]
    next: int | None


_COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(ListedCart)]


class CartListStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def page(self, owner: str | None, states: Collection[str], before: int, most: int) -> CartPage:
        """Up to `most` live carts, the newest first, whose rows are below `before`.

        `owner`: whose; None for everybody's.
        """
        query = Carts.select(*_COLUMNS).where(Carts.live == 1, Carts.id < before, Carts.state.in_(sorted(states)))
        if owner is not None:
            query = query.where(Carts.owner == owner)
        with self._db.session() as db:
            rows = list(query.order_by(Carts.id.desc()).limit(most + 1).tuples().execute(db))
        carts = [ListedCart(*row) for row in rows[:most]]
        return CartPage(carts, carts[-1].id if len(rows) > most else None)
