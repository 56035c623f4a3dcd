"""The rows of carts that are over: what the sweep finds to delete, and the deletion of the carts' own rows.

A cart is over when it has failed, has expired, or is no longer live. Only a failed cart that is not cleared can come
back, when an operator lets it begin again (CartStore.restart); otherwise its uid gets another row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.stores.cart_row import CartState


class EndedCart(NamedTuple):
    """`cleared`: whether its entries and its bundle are gone."""

    id: int
    cleared: bool


class EndedCartStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def to_clear(self, failed_for: float, limit: int) -> list[int]:
        """Carts whose entries are due to be deleted and that have no job: up to `limit` of each kind of end.

        A failed cart is due `failed_for` seconds after its end. The others have none left as a rule: their clean-up
        jobs delete them, except for those that the previous release cleaned up.
        """
        live, failed = Carts.live == 1, Carts.ended_at <= self._db.now - failed_for
        due = (
            (live, Carts.state == CartState.ERROR, failed),
            (live, Carts.state == CartState.EXPIRED),
            (Carts.live.is_null(),),
        )
        found: list[int] = []
        for conditions in due:
            query = Carts.select(Carts.id).join(Jobs, peewee.JOIN.LEFT_OUTER, on=Jobs.cart_id == Carts.id)
            query = query.where(Carts.cleared_at.is_null(), Jobs.id.is_null(), *conditions)
            with self._db.session() as db:
                found += [row[0] for row in query.limit(limit).tuples().execute(db)]
        return found

    def lock_uncleared(self, cart_id: int) -> bool:
        """Lock the cart's row in the caller's transaction; whether it is over, is not cleared and has no job."""
        over = Carts.live.is_null() | Carts.state.in_((CartState.ERROR, CartState.EXPIRED))
        uncleared = Carts.update(used_at=Carts.used_at).where(Carts.id == cart_id, Carts.cleared_at.is_null(), over)
        if not uncleared.execute(self._db.peewee):
            return False
        return not Jobs.select(Jobs.id).where(Jobs.cart_id == cart_id).exists(self._db.peewee)

    def mark_cleared(self, cart_id: int) -> None:
        """Record that the cart's entries and bundle are gone, within the caller's transaction."""
        query = Carts.update(cleared_at=self._db.now).where(Carts.id == cart_id, Carts.cleared_at.is_null())
        query.execute(self._db.peewee)

    def over_for(self, seconds: float, limit: int) -> list[EndedCart]:
        """Carts that have been over for that long: up to `limit` of each kind of end, the oldest first."""
        found: list[EndedCart] = []
        for ended_at, conditions in self._over(seconds):
            query = Carts.select(Carts.id, Carts.cleared_at).where(*conditions).order_by(ended_at)
            with self._db.session() as db:
                rows = query.limit(limit).tuples().execute(db)
                found += [EndedCart(cart_id, cleared_at is not None) for cart_id, cleared_at in rows]
        return found

    def delete(self, cart_ids: Sequence[int], also: Callable[[int], None]) -> int:
        """Delete cleared carts that have no job, within the caller's transaction; return how many it deleted.

        Calls `also` with each of them, to delete what other tables have of it.
        """
        # Locks the rows, so that none of these carts gets a job now.
        Carts.update(used_at=Carts.used_at).where(Carts.id.in_(list(cart_ids))).execute(self._db.peewee)
        jobs = Jobs.select(Jobs.cart_id).where(Jobs.cart_id.in_(list(cart_ids))).tuples().execute(self._db.peewee)
        free = sorted(set(cart_ids) - {row[0] for row in jobs})
        for cart_id in free:
            also(cart_id)
        cleared = Carts.cleared_at.is_null(False)
        return int(Carts.delete().where(Carts.id.in_(free), cleared).execute(self._db.peewee)) if free else 0

    def _over(self, seconds: float) -> list[tuple[Any, tuple[Any, ...]]]:
        """For each kind of end: its time, and the conditions of carts that ended `seconds` ago. Each has an index."""
        before, live = self._db.now - seconds, Carts.live == 1
        return [
            (Carts.deleted_at, (Carts.live.is_null(), Carts.deleted_at <= before)),
            (Carts.ended_at, (live, Carts.state == CartState.ERROR, Carts.ended_at <= before)),
            (Carts.expired_at, (live, Carts.state == CartState.EXPIRED, Carts.expired_at <= before)),
        ]
