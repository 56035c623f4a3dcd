"""Which rows own the objects of the bucket. It writes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Carts, Uploads
from chalicelib.stores.cart_row import CartState


@dataclass(frozen=True, slots=True)
class ReadyCart:
    id: int
    owner: str
    uid: str
    attempt: int


class ObjectOwners:
    def __init__(self, database: Database) -> None:
        self._db = database

    def attempts(self, cart_ids: Collection[int]) -> dict[int, int]:
        """Cart -> its attempt, of those whose bundle was not deleted for the last time."""
        found: dict[int, int] = {}
        with self._db.session() as db:
            for ids in chunks(sorted(cart_ids)):
                query = Carts.select(Carts.id, Carts.attempt).where(Carts.id.in_(ids), Carts.cleared_at.is_null())
                found |= dict(query.tuples().execute(db))
        return found

    def uploads(self, tokens: Collection[str]) -> set[str]:
        """Those of these names that uploads have."""
        found: set[str] = set()
        with self._db.session() as db:
            for some in chunks(sorted(tokens)):
                query = Uploads.select(Uploads.token).where(Uploads.token.in_(self._db.listed(some)))
                found |= {row[0] for row in query.tuples().execute(db)}
        return found

    def ready(self, after: int, most: int) -> list[ReadyCart]:
        """Up to `most` ready carts with ids above `after`."""
        query = Carts.select(Carts.id, Carts.owner, Carts.uid, Carts.attempt).where(
            Carts.live == 1, Carts.state == CartState.READY, Carts.id > after
        )
        with self._db.session() as db:
            return [ReadyCart(*row) for row in query.order_by(Carts.id).limit(most).tuples().execute(db)]

    def is_ready(self, cart: ReadyCart) -> bool:
        """Whether it is still ready, and live, with the same bundle."""
        same = (Carts.id == cart.id) & (Carts.live == 1) & (Carts.attempt == cart.attempt)
        with self._db.session() as db:
            return bool(Carts.select(Carts.id).where(same, Carts.state == CartState.READY).exists(db))
