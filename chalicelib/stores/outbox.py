"""The outbox: a row for each notification, written in the transaction that ends its cart.

Workers deliver what is here (workers/stores/notifications.py). A row is over when it was delivered or given up.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.db.operating_models import Notifications
from chalicelib.notify.asked import Target, asked_of


class OutboxStore:
    def __init__(self, database: Database, for_all: Sequence[Target] = ()) -> None:
        """`for_all`: who is told of every cart."""
        self._db = database
        self._for_all = tuple(for_all)

    @property
    def tells_of_all(self) -> bool:
        return bool(self._for_all)

    def write(self, cart_id: int, event: str) -> None:
        """Tell whom this cart asked for, and who is told of every cart, within the caller's transaction."""
        self._insert(cart_id, event, self._for_all)

    def write_asked(self, cart_id: int, event: str) -> None:
        """Tell only whom this cart asked for, within the caller's transaction."""
        self._insert(cart_id, event, ())

    def open_of(self, owner: str) -> int:
        """How many notifications of an owner are to be delivered."""
        query = Notifications.select().where(Notifications.owner == owner, Notifications.open == 1)
        with self._db.session() as db:
            return int(query.count(db))

    def delete_over(self, seconds: float, limit: int) -> int:
        """Delete up to `limit` rows that have been over for so long; return how many."""
        before = self._db.now - seconds
        over = (Notifications.delivered_at <= before) | (Notifications.given_up_at <= before)
        query = Notifications.select(Notifications.id).where(Notifications.created_at <= before, over)
        with self._db.session() as db:
            ids = [row[0] for row in query.order_by(Notifications.created_at).limit(limit).tuples().execute(db)]
            return int(Notifications.delete().where(Notifications.id.in_(ids)).execute(db)) if ids else 0

    def _insert(self, cart_id: int, event: str, for_all: Sequence[Target]) -> None:
        cart = Carts.select(Carts.owner, Carts.uid, Carts.notify).where(Carts.id == cart_id)
        owner, uid, column = cart.tuples().first(self._db.peewee)
        now = self._db.now
        row = {"cart_id": cart_id, "owner": owner, "uid": uid, "event": event, "created_at": now, "due_at": now}
        rows = [{**row, "channel": target.channel, "target": target.where} for target in for_all]
        rows += [{**row, "channel": target.channel, "target": target.where} for target in asked_of(column).targets()]
        if rows:
            Notifications.insert_many(rows).execute(self._db.peewee)
