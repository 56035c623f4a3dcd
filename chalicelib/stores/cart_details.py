"""What one cart is made of, for an operator: errors of its files, its windows, its notifications. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.models import Entries, Uploads, Windows
from chalicelib.db.operating_models import Notifications
from chalicelib.notify.asked import Channel


@dataclass(frozen=True, slots=True)
class FileProblem:
    """`error`: why it fails its cart, void while it is retried; `reason`: why it is retried."""

    position: int
    archive_id: str
    path: str
    error: str
    reason: str


@dataclass(frozen=True, slots=True)
class CartNotification:
    """`state`: `open`, `delivered` or `given up`. `target`: of a webhook to its host; the rest may be secret."""

    channel: str
    target: str
    state: str
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class CartUpload:
    """The upload that the cart was posted from. Times are seconds since the epoch; `closed_at`: when it was read."""

    id: int
    created_at: float
    url_until: float
    closed_at: float | None


class CartDetails:
    def __init__(self, database: Database) -> None:
        self._db = database

    def problems(self, cart_id: int, most: int) -> list[FileProblem]:
        """Up to `most` files that have failed or are being retried, in the manifest's order."""
        columns = (Entries.position, Entries.archive_id, Entries.path, Entries.error, Entries.failing_reason)
        troubled = (Entries.error != "") | (Entries.failing_reason != "")
        query = Entries.select(*columns).where(Entries.cart_id == cart_id, troubled).order_by(Entries.position)
        with self._db.session() as db:
            return [FileProblem(*row) for row in query.limit(most).tuples().execute(db)]

    def windows(self, cart_id: int) -> dict[str, int]:
        """How many of its windows are in each state."""
        query = Windows.select(Windows.state, fn.COUNT(1)).where(Windows.cart_id == cart_id).group_by(Windows.state)
        with self._db.session() as db:
            return dict(query.tuples().execute(db))

    def uploads(self, cart_id: int, most: int) -> list[CartUpload]:
        columns = (Uploads.id, Uploads.created_at, Uploads.url_until, Uploads.closed_at)
        query = Uploads.select(*columns).where(Uploads.cart_id == cart_id).order_by(Uploads.id.desc())
        with self._db.session() as db:
            return [CartUpload(*row) for row in query.limit(most).tuples().execute(db)]

    def notifications(self, cart_id: int, most: int) -> list[CartNotification]:
        query = Notifications.select().where(Notifications.cart_id == cart_id).order_by(Notifications.id).limit(most)
        with self._db.session() as db:
            return [_notification(row) for row in query.execute(db)]


def _notification(row: Notifications) -> CartNotification:
    state = "delivered" if row.delivered_at is not None else "given up" if row.given_up_at is not None else "open"
    whole = str(row.target)
    target = "/".join(whole.split("/")[:3]).partition("?")[0] if row.channel == Channel.WEBHOOK else whole
    return CartNotification(str(row.channel), target, state, int(row.attempts), str(row.last_error))
