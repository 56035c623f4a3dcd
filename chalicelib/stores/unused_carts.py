"""Live carts that were not used for long, for who purges them. It writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.db.database import Database
from chalicelib.db.models import Carts


@dataclass(frozen=True, slots=True)
class UnusedCart:
    """`used_at`: of its last download or POST, or when it became ready. `bundle_size`: bytes."""

    id: int
    owner: str
    uid: str
    state: str
    used_at: float
    bundle_size: int


@dataclass(frozen=True, slots=True)
class Unused:
    """Which carts: in one of these states, not used since `before`; of any owner if that is None."""

    states: Sequence[str]
    before: float
    owner: str | None = None


_COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(UnusedCart)]


class UnusedCartStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def page(self, wanted: Unused, after: int, most: int) -> list[UnusedCart]:
        """Up to `most` of them with ids above `after`, in the order of ids."""
        idle = (Carts.used_at <= wanted.before) & (Carts.url_until <= self._db.now)
        query = Carts.select(*_COLUMNS).where(Carts.live == 1, Carts.state.in_(list(wanted.states)), idle)
        query = query.where(Carts.id > after)
        if wanted.owner is not None:
            query = query.where(Carts.owner == wanted.owner)
        with self._db.session() as db:
            return [UnusedCart(*row) for row in query.order_by(Carts.id).limit(most).tuples().execute(db)]
