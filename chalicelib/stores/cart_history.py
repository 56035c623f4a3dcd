"""What happened to each cart, and when."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.db.database import Database
from chalicelib.db.operating_models import CartHistory
from chalicelib.db.statement import Statement, slot

LONGEST_CAUSE = 1024
MOST = 200  # rows of one cart
FIRST, LAST = 20, 130  # which of them stay when there are so many


class CartEvent(StrEnum):
    """The states that a cart comes into, and what else can happen to it."""

    POSTED = "posted"
    STAGING = "staging"
    BUNDLING = "bundling"
    READY = "ready"
    ERROR = "error"
    EXPIRED = "expired"
    DELETED = "deleted"
    REPLACED = "replaced"
    #: its layout was voided: a file has changed in the archive, or its upload was lost
    LAYOUT_VOIDED = "layout voided"
    #: files of a window were missing or damaged on the volume
    STAGED_AGAIN = "staged again"
    #: an operator let it begin again after it had failed
    RESTARTED = "restarted"


#: Without these, a cart has a dozen rows at most.
STARTS_OVER = (CartEvent.LAYOUT_VOIDED, CartEvent.STAGED_AGAIN, CartEvent.RESTARTED)


@dataclass(frozen=True, slots=True)
class Happened:
    """One row. `at`: seconds since the epoch; `process`: the name of the process that did it."""

    id: int
    at: float
    event: str
    cause: str
    process: str


_COLUMNS = [getattr(CartHistory, field.name) for field in dataclasses.fields(Happened)]
_ROW = ("cart_id", "event", "cause", "process")
_RECORD = Statement(lambda database: CartHistory.insert({**{name: slot(name) for name in _ROW}, "at": database.now}))


class CartHistoryStore:
    def __init__(self, database: Database, process: str = "") -> None:
        """`process`: the name of this process."""
        self._db = database
        self._process = process

    def record(self, cart_id: int, event: str, cause: str = "") -> None:
        """Within the caller's transaction, which makes the change."""
        row = {"cart_id": cart_id, "event": event, "cause": cause[:LONGEST_CAUSE], "process": self._process}
        _RECORD.run(self._db, **row)
        if event in STARTS_OVER:
            self._trim(cart_id)

    def count(self, cart_id: int, event: str) -> int:
        """How often this has happened to the cart; within the caller's transaction."""
        query = CartHistory.select().where(CartHistory.cart_id == cart_id, CartHistory.event == event)
        return int(query.count(self._db.peewee))

    def of_cart(self, cart_id: int, most: int = MOST) -> list[Happened]:
        """The last `most` things that happened, the oldest first."""
        query = CartHistory.select(*_COLUMNS).where(CartHistory.cart_id == cart_id).order_by(CartHistory.id.desc())
        with self._db.session() as db:
            rows = [Happened(*row) for row in query.limit(most).tuples().execute(db)]
        return rows[::-1]

    def delete_of_cart(self, cart_id: int) -> None:
        """Within the caller's transaction."""
        CartHistory.delete().where(CartHistory.cart_id == cart_id).execute(self._db.peewee)

    def _trim(self, cart_id: int) -> None:
        """Keep the first and the last rows of a cart that has too many."""
        rows = CartHistory.select(CartHistory.id).where(CartHistory.cart_id == cart_id)
        newest = rows.order_by(CartHistory.id.desc())
        if not newest.offset(MOST - FIRST).limit(1).tuples().first(self._db.peewee):
            return
        (kept_until,) = rows.order_by(CartHistory.id).offset(FIRST - 1).limit(1).tuples().first(self._db.peewee)
        (kept_from,) = newest.offset(LAST - 1).limit(1).tuples().first(self._db.peewee)
        between = (CartHistory.id > kept_until) & (CartHistory.id < kept_from)
        CartHistory.delete().where(CartHistory.cart_id == cart_id, between).execute(self._db.peewee)
