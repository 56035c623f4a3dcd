"""Carts that end without a worker: those past their deadline, and those whose job the queue gave up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Carts
from chalicelib.stores.carts import UNFINISHED, CartStore
from chalicelib.stores.jobs import JobMessage, JobStore

AT_ONCE = 100  # carts ended in one sweep

log = logging.getLogger(__name__)


class Endings:
    def __init__(self, database: Database, cart_store: CartStore, job_store: JobStore) -> None:
        self._db = database
        self._carts = cart_store
        self._jobs = job_store

    def fail_overdue(self, deadline: float) -> list[JobMessage]:
        """End carts that were not ready `deadline` seconds after they were posted; a batch of them."""
        # Until a cart is ready, it was last used when it was made: so the index of expiry serves here too.
        late = (Carts.live == 1) & Carts.state.in_(UNFINISHED) & (Carts.used_at <= self._db.now - deadline)
        with self._db.session() as db:
            ids = [row[0] for row in Carts.select(Carts.id).where(late).limit(AT_ONCE).tuples().execute(db)]
        said = f"It was not ready within CART_DEADLINE, {deadline:.0f} s."
        return [hint for cart_id in ids for hint in self._transaction(lambda one=cart_id: self._fail(one, said))]  # type: ignore[misc]

    def give_up(self, job_id: int, token: int) -> list[JobMessage]:
        """End the cart of a job whose message the queue gave up, if no worker took the job since."""

        def work() -> list[JobMessage]:
            cart_id = self._jobs.unclaimed(job_id, token)
            return self._fail(cart_id, "The queue gave up on this cart's work.") if cart_id else []

        return self._transaction(work)

    def uploads(self, cart_ids: Iterable[int]) -> set[str]:
        """The uploads that these carts know of."""
        found: set[str] = set()
        with self._db.session() as db:
            for ids in chunks(sorted(set(cart_ids))):
                query = Carts.select(Carts.upload_id).where(Carts.id.in_(ids), Carts.upload_id != "")
                found |= {row[0] for row in query.tuples().execute(db)}
        return found

    def _fail(self, cart_id: int, said: str) -> list[JobMessage]:
        last = self._jobs.last_error(cart_id)
        message = f"{said} Last: {last}" if last else said
        hints = self._carts.fail(cart_id, message)
        if hints:
            log.warning("cart %d failed: %s", cart_id, message)  # what the alarm on failed carts counts
        return hints

    def _transaction(self, work: Callable[[], list[JobMessage]]) -> list[JobMessage]:
        return self._db.transaction(work)
