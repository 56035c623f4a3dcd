"""Finds the live cart that an operator names: by its uid alone, while only one owner has a cart of that name."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.errors import CartNotFound
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore

MOST = 5  # owners that a message names


class NamedCarts:
    def __init__(self, database: Database, carts: CartStore) -> None:
        self._db = database
        self._carts = carts

    def find(self, uid: str, owner: str | None) -> Cart:
        """Raises CartNotFound, also where several owners have such a cart and none is named."""
        owners = self._owners(uid) if owner is None else [owner]
        if len(owners) > 1:
            named = ", ".join(repr(one) for one in owners[:MOST]) + (" and others" if len(owners) > MOST else "")
            raise CartNotFound(f"Several owners have a cart {uid}: name one of {named} with --owner.")
        cart = self._carts.live(owners[0], uid) if owners else None
        if cart is None:
            raise CartNotFound(f"There is no cart {uid}" + (f" of {owner!r}." if owner else "."))
        return cart

    def _owners(self, uid: str) -> list[str]:
        """The database reads its index of owners and uids: a second for millions of carts."""
        query = Carts.select(Carts.owner).where(Carts.uid == uid, Carts.live == 1).order_by(Carts.owner)
        with self._db.session() as db:
            return [row[0] for row in query.limit(MOST + 1).tuples().execute(db)]
