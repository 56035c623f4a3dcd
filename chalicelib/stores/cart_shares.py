"""The share store: the only writer of cart_shares. A token in clear is returned once, when its share is made.

A share belongs to a cart's row, so it ends with the cart: another cart under the same uid is not shared.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.access_models import CartShares
from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.token_hash import hash_of

RANDOM = 16  # bytes of randomness in a token
WITH_LINK = ""  # recipient of a share for everybody who has its address


@dataclass(frozen=True, slots=True)
class CartShare:
    """One row of cart_shares. `recipient`: an owner, or WITH_LINK. Times are seconds since the epoch."""

    id: int
    cart_id: int
    recipient: str
    created_at: float
    expires_at: float

    @property
    def is_link(self) -> bool:
        return self.recipient == WITH_LINK


_COLUMNS = (CartShares.id, CartShares.cart_id, CartShares.recipient, CartShares.created_at, CartShares.expires_at)


class CartShareStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, cart_id: int, recipient: str, created_at: float, expires_at: float) -> tuple[CartShare, str]:
        """A new share, within the caller's transaction, and the token of its address."""
        token = secrets.token_urlsafe(RANDOM)
        row = {"cart_id": cart_id, "recipient": recipient, "created_at": created_at, "expires_at": expires_at}
        share_id = int(CartShares.insert(row, hash=hash_of(token)).execute(self._db.peewee))
        return CartShare(share_id, cart_id, recipient, created_at, expires_at), token

    def of_cart(self, cart_id: int) -> list[CartShare]:
        """The cart's shares that have not ended, the oldest first."""
        query = CartShares.select(*_COLUMNS).where(CartShares.cart_id == cart_id, *self._unended())
        with self._db.session() as db:
            return [CartShare(*row) for row in query.order_by(CartShares.id).tuples().execute(db)]

    def count(self, cart_id: int) -> int:
        """How many shares of the cart have not ended."""
        query = CartShares.select(peewee.fn.COUNT(1)).where(CartShares.cart_id == cart_id, *self._unended())
        with self._db.session() as db:
            return int(query.scalar(db))

    def find(self, token: str) -> CartShare | None:
        """The share with this token, unless it or its cart has ended."""
        query = CartShares.select(*_COLUMNS).join(Carts, on=Carts.id == CartShares.cart_id)
        unended = (*self._unended(), Carts.live == 1, Carts.state != CartState.EXPIRED)
        with self._db.session() as db:
            row = query.where(CartShares.hash == hash_of(token), *unended).tuples().first(db)
        return CartShare(*row) if row else None

    def revoke(self, cart_id: int, share_id: int) -> bool:
        """End a share of this cart; False if there is none, or it has ended."""
        now = self._db.now
        query = CartShares.update(revoked_at=now, expires_at=now).where(CartShares.id == share_id)
        with self._db.session() as db:
            return bool(query.where(CartShares.cart_id == cart_id, *self._unended()).execute(db))

    def delete_ended(self, age: float, limit: int) -> int:
        """Delete up to `limit` shares that expired or were revoked more than `age` seconds ago.

        Those of a cart that has ended expire too, and are of no use until then.
        """
        query = CartShares.select(CartShares.id).where(CartShares.expires_at <= self._db.now - age)
        with self._db.session() as db:
            ids = [row[0] for row in query.order_by(CartShares.expires_at).limit(limit).tuples().execute(db)]
            return int(CartShares.delete().where(CartShares.id.in_(ids)).execute(db)) if ids else 0

    def _unended(self) -> tuple[Any, ...]:
        return CartShares.revoked_at.is_null(), CartShares.expires_at > self._db.now
