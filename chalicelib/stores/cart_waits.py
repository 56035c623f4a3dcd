"""What an unfinished cart waits for: a read model over its jobs. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor
from chalicelib.stores.cart_row import UNFINISHED, Cart
from chalicelib.stores.turns import HOUSEKEEPING_KINDS
from chalicelib.stores.worker_states import idle_worker_seen

MOST = 100  # jobs read; a cart has a handful
#: Seconds after which a job that is due waits for a worker, whatever it waited for before.
SOON = 10.0


@dataclass(frozen=True, slots=True)
class CartWait:
    """`since`: seconds since the epoch."""

    waits_for: WaitsFor
    since: float


class CartWaitStore:
    def __init__(self, database: Database, lease: float, lost_after: float | None = None) -> None:
        """`lease`: seconds. `lost_after`: seconds, by default a lease, after which a job that is due while a worker is
        idle counts as one whose message is lost."""
        self._db = database
        self._lease = lease
        self._lost_after = lease if lost_after is None else lost_after

    def of_cart(self, cart: Cart) -> CartWait | None:
        """The longest wait among the cart's jobs; None if a worker makes progress with any of them, or it has none."""
        if cart.state not in UNFINISHED:
            return None
        now = self._db.now
        held, message = Jobs.lease_until > now, (Jobs.has_message == 1) & (Jobs.sends == 0)
        times = (now - Jobs.due_at, Jobs.due_at, Jobs.waits_since, Jobs.progress_at)
        query = Jobs.select(held, message, idle_worker_seen(now, self._lease), Jobs.waits_for, *times)
        ours = (Jobs.cart_id == cart.id) & Jobs.kind.not_in(HOUSEKEEPING_KINDS)
        with self._db.session() as db:
            rows = list(query.where(ours).limit(MOST).tuples().execute(db))
        waits = [self._of_job(*row) for row in rows]
        known = [wait for wait in waits if wait is not None]
        return min(known, key=_weight) if known and len(known) == len(waits) else None

    def _of_job(
        self,
        held: Any,
        has_message: Any,
        worker_is_idle: Any,
        word: str,
        overdue: float,
        due_at: float,
        since: float | None,
        progress_at: float,
    ) -> CartWait | None:
        if not held and overdue >= 0 and (overdue > SOON or not word):
            lost = not has_message or (overdue > self._lost_after and worker_is_idle)
            return CartWait(WaitsFor.QUEUE if lost else WaitsFor.WORKER, due_at)
        if word:
            return CartWait(WaitsFor(word), progress_at if since is None else since)
        # The previous release defers a job without a word.
        return None if held else CartWait(WaitsFor.RETRY, progress_at)


def _weight(wait: CartWait) -> tuple[bool, float]:
    """Jobs wait for a worker because others of the cart wait for something else: that is what counts."""
    return wait.waits_for == WaitsFor.WORKER, wait.since
