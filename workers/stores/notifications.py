"""What workers do with the outbox: claim what is due, and record how its delivery ended.

A claim makes the row due again when CLAIM_LIFE is over, so a worker that dies loses nothing; its token fences what a
slow worker may still write.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.db.operating_models import Notifications
from chalicelib.stores.cart_row import CartState

CLAIM_LIFE = 60.0  # seconds; a delivery takes 10


@dataclass(frozen=True, slots=True)
class Notification:
    """One row. `event`: the state that the cart ended in; `attempts`: those before this one."""

    id: int
    cart_id: int
    owner: str
    uid: str
    event: str
    channel: str
    target: str
    created_at: float
    attempts: int
    token: int


@dataclass(frozen=True, slots=True)
class EndedCart:
    """What is told about a cart. `size`: bytes of the bundle."""

    message: str
    size: int
    files: int


_COLUMNS = [getattr(Notifications, field.name) for field in dataclasses.fields(Notification)]


class NotificationStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, limit: int) -> list[Notification]:
        """Those that are due, the longest first."""
        due = (Notifications.open == 1, Notifications.due_at <= self._db.now)
        query = Notifications.select(*_COLUMNS).where(*due).order_by(Notifications.due_at).limit(limit)
        with self._db.session() as db:
            return [Notification(*row) for row in query.tuples().execute(db)]

    def claim(self, found: Notification) -> Notification | None:
        """Take it for CLAIM_LIFE seconds; None if another worker has."""
        changes = {"token": Notifications.token + 1, "attempts": Notifications.attempts + 1}
        query = Notifications.update(**changes, due_at=self._db.now + CLAIM_LIFE).where(_is_open(found))
        with self._db.session() as db:
            return dataclasses.replace(found, token=found.token + 1) if query.execute(db) else None

    def postpone(self, found: Collection[Notification], seconds: float) -> None:
        """Let others go first, unless another worker has claimed them meanwhile; this is no attempt."""
        now = self._db.now
        still_due = (Notifications.open == 1, Notifications.due_at <= now)
        query = Notifications.update(due_at=now + seconds).where(*still_due)
        with self._db.session() as db:
            query.where(Notifications.id.in_([one.id for one in found])).execute(db)

    def ended_cart(self, told: Notification) -> EndedCart | None:
        """None if the cart was deleted or replaced, or began again after its error."""
        query = Carts.select(Carts.message, Carts.bundle_size, Carts.files_total, Carts.state)
        with self._db.session() as db:
            row = query.where(Carts.id == told.cart_id, Carts.live == 1).tuples().first(db)
        if row is None or (told.event == CartState.ERROR and row[3] != CartState.ERROR):
            return None
        return EndedCart(*row[:3])

    def delivered(self, claimed: Notification) -> bool:
        """False if the claim was lost."""
        return self._change(claimed, delivered_at=self._db.now, open=None, last_error="")

    def failed(self, claimed: Notification, error: str, delay: float) -> bool:
        """Due again after `delay` seconds."""
        return self._change(claimed, due_at=self._db.now + delay, last_error=error[:1024])

    def give_up(self, claimed: Notification, error: str) -> bool:
        return self._change(claimed, given_up_at=self._db.now, open=None, last_error=error[:1024])

    def _change(self, claimed: Notification, **changes: Any) -> bool:
        with self._db.writing() as db:
            return bool(Notifications.update(**changes).where(_is_open(claimed)).execute(db))


def _is_open(found: Notification) -> Any:
    return (Notifications.id == found.id) & (Notifications.token == found.token) & (Notifications.open == 1)
