"""Double of chalicelib.stores.unsent_jobs.UnsentJobStore, on a queue that loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.job_message import JobMessage, group_of
from tests.doubles.database import MemoryDatabase


class MemoryUnsentJobStore:
    def __init__(self, database: MemoryDatabase, lease: float) -> None:
        self._db = database
        self._lease = lease

    def take_due(self, limit: int, count_messages: Callable[[], int]) -> list[JobMessage]:
        now, jobs = self._db.now, self._db.tables.jobs
        due = [row for row in jobs.values() if not row.has_message and max(row.next_send_at, row.lease_until) <= now]
        for row in due[:limit]:
            jobs[row.id] = replace(row, has_message=True, next_send_at=now + self._lease)
        return [JobMessage(row.id, row.token, group_of(row.cart_id)) for row in due[:limit]]
