"""What the sweep asks about live carts: which are due for a repair, and what they hold. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterable

import peewee

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Carts
from chalicelib.stores.cart_row import UNFINISHED, CartState


class CartSurvey:
    def __init__(self, database: Database) -> None:
        self._db = database

    def overdue(self, deadline: float, limit: int) -> list[int]:
        """Up to `limit` unfinished carts posted more than `deadline` seconds ago."""
        # used_at is the time of the POST until the cart is ready, so the carts_expiry index also serves here.
        late = (Carts.live == 1) & Carts.state.in_(UNFINISHED) & (Carts.used_at <= self._db.now - deadline)
        with self._db.session() as db:
            return [row[0] for row in Carts.select(Carts.id).where(late).limit(limit).tuples().execute(db)]

    def expirable(self, unused_for: float, limit: int) -> list[tuple[int, int]]:
        """Id and bundle bytes of up to `limit` ready carts unused for that many seconds, least recently used first."""
        now = self._db.now
        ready = (Carts.live == 1) & (Carts.state == CartState.READY)
        idle = (Carts.used_at <= now - unused_for) & (Carts.url_until <= now)
        query = Carts.select(Carts.id, Carts.bundle_size).where(ready, idle).order_by(Carts.used_at).limit(limit)
        with self._db.session() as db:
            return [(cart_id, size) for cart_id, size in query.tuples().execute(db)]

    def bundle_bytes(self) -> int:
        """Bytes of all bundles of ready carts."""
        query = Carts.select(peewee.fn.SUM(Carts.bundle_size)).where(Carts.live == 1, Carts.state == CartState.READY)
        with self._db.session() as db:
            return int(query.scalar(db) or 0)

    def upload_ids(self, cart_ids: Iterable[int]) -> set[str]:
        """The multipart uploads these carts have recorded."""
        found: set[str] = set()
        with self._db.session() as db:
            for ids in chunks(sorted(set(cart_ids))):
                query = Carts.select(Carts.upload_id).where(Carts.id.in_(ids), Carts.upload_id != "")
                found |= {row[0] for row in query.tuples().execute(db)}
        return found
