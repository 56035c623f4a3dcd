"""Double of workers.stores.shared_files.SharedFileStore."""

from __future__ import annotations

from chalicelib.stores.job_row import JobKind
from tests.doubles.database import MemoryDatabase
from workers.stores.shared_files import LARGEST_TAKE, SMALLEST_TAKE, TAKEN_FRACTION


class MemorySharedFileStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def share(self, cart_id: int, job_id: int, first: int, stop: int) -> None:
        self._db.require_transaction()
        self._db.tables.shared_files[cart_id] = (job_id, first, stop)

    def take(self, cart_id: int) -> tuple[int, range] | None:
        self._db.require_transaction()
        job_id, first, stop = self._db.tables.shared_files.get(cart_id, (0, 0, 0))
        if first >= stop:
            return None
        count = max(SMALLEST_TAKE, min(LARGEST_TAKE, (stop - first) // TAKEN_FRACTION))
        taken = range(first, min(first + count, stop))
        self._db.tables.shared_files[cart_id] = (job_id, taken.stop, stop)
        return job_id, taken

    def end(self, cart_id: int) -> None:
        self._db.require_transaction()
        self._db.tables.shared_files.pop(cart_id, None)

    def has_assistants(self, cart_id: int) -> bool:
        jobs, now = self._db.tables.jobs.values(), self._db.now
        return any((job.cart_id, job.kind) == (cart_id, JobKind.ASSIST) and job.lease_until > now for job in jobs)
