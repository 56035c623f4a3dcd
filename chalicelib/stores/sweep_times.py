"""When the sweep last ran: one row of the history, of no cart."""

from __future__ import annotations

from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.operating_models import CartHistory
from chalicelib.stores.job_row import NO_CART

SWEPT = "swept"


class SweepTimes:
    def __init__(self, database: Database, process: str = "") -> None:
        """`process`: the name of this process."""
        self._db = database
        self._process = process

    def note(self) -> None:
        """A sweep has run now."""
        self._db.transaction(self._note)

    def last(self) -> float | None:
        """Seconds since the epoch; None if none has run yet."""
        query = CartHistory.select(fn.MAX(CartHistory.at)).where(CartHistory.cart_id == NO_CART)
        with self._db.session() as db:
            found = query.scalar(db)
        return None if found is None else float(found)

    def _note(self) -> None:
        CartHistory.delete().where(CartHistory.cart_id == NO_CART).execute(self._db.peewee)
        row = {"cart_id": NO_CART, "event": SWEPT, "process": self._process}
        CartHistory.insert(**row, at=self._db.now).execute(self._db.peewee)
