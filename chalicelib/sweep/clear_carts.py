"""Adds the clean-up jobs of carts whose entries were kept until now: those of failed carts, ERROR_TTL after the end."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.job_row import CleanupPass, JobKind
from chalicelib.stores.jobs import JobStore


class ClearCarts:
    def __init__(
        self, database: Database, ended_carts: EndedCartStore, jobs: JobStore, failed_for: float, limit: int
    ) -> None:
        """`failed_for`: seconds entries of failed carts are kept. `limit`: jobs added in one sweep, per kind of end."""
        self._db = database
        self._ended_carts = ended_carts
        self._jobs = jobs
        self._failed_for = failed_for
        self._limit = limit

    def run(self) -> list[JobMessage]:
        due = self._ended_carts.to_clear(self._failed_for, self._limit)
        return [message for cart_id in due for message in self.clear(cart_id)]

    def clear(self, cart_id: int) -> list[JobMessage]:
        """Add a job that deletes the rows of a cart that is over, unless it has a job or was cleared."""

        def write() -> list[JobMessage]:
            if not self._ended_carts.lock_uncleared(cart_id):
                return []
            return [self._jobs.add(cart_id, JobKind.CLEANUP, CleanupPass.ROWS)]

        return self._db.transaction(write)
