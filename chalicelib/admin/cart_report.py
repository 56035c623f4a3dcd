"""Everything about one cart that the database has, for `show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.db.database import Database
from chalicelib.db.snapshot import snapshot
from chalicelib.stores.cart_details import CartDetails, CartNotification, CartUpload, FileProblem
from chalicelib.stores.cart_history import CartHistoryStore, Happened
from chalicelib.stores.cart_row import UNFINISHED
from chalicelib.stores.cart_search import FoundCart
from chalicelib.stores.cart_shares import CartShareStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.progress import Counts, ProgressStore, seconds_left
from chalicelib.stores.waiting_jobs import CartWait, JobWaitStore, WaitingJob


@dataclass(frozen=True, slots=True)
class ReportLimits:
    """How many of each a report has at most."""

    history: int = 50
    files: int = 20
    jobs: int = 50
    others: int = 20


@dataclass(frozen=True, slots=True)
class CartReport:
    """`now`: seconds since the epoch; `windows`: state -> number; `shares`: how many have not ended."""

    now: float
    cart: FoundCart
    counts: Counts
    seconds_left: int | None
    wait: CartWait | None
    warnings: Sequence[str]
    history: Sequence[Happened]
    files: Sequence[FileProblem]
    jobs: Sequence[WaitingJob]
    windows: Mapping[str, int]
    uploads: Sequence[CartUpload]
    shares: int
    notifications: Sequence[CartNotification]

    @property
    def unfinished(self) -> bool:
        return bool(self.cart.live) and self.cart.state in UNFINISHED


def report(database: Database, cart: FoundCart, most: ReportLimits = ReportLimits()) -> CartReport:
    """All of it as of one moment. Raises CartNotFound if the row is gone meanwhile."""
    details, waits, carts = CartDetails(database), JobWaitStore(database), CartStore(database)
    with snapshot(database):
        now, row = database.clock(), carts.get(cart.id)
        return CartReport(
            now=now,
            cart=cart,
            counts=ProgressStore(database).counts(row),
            seconds_left=seconds_left(row, now),
            wait=waits.of_carts([cart.id]).get(cart.id),
            warnings=carts.warnings(cart.id),
            history=CartHistoryStore(database).of_cart(cart.id, most.history),
            files=details.problems(cart.id, most.files),
            jobs=waits.of_cart(cart.id, most.jobs),
            windows=details.windows(cart.id),
            uploads=details.uploads(cart.id, most.others),
            shares=CartShareStore(database).count(cart.id),
            notifications=details.notifications(cart.id, most.others),
        )
