"""Double of chalicelib.stores.due_jobs.DueJobStore."""

from __future__ import annotations

from chalicelib.job_message import Claim
from chalicelib.stores.due_jobs import CANDIDATES
from chalicelib.stores.turns import Turn
from tests.doubles.database import JobRow, MemoryDatabase


class MemoryDueJobStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def next(self, turn: Turn) -> list[Claim]:
        due = [row for row in self._due() if row.small or not turn.only_small]
        due.sort(key=lambda row: (row.line <= turn.after, row.line, row.due_at, row.id))
        return [Claim(row.id, row.token) for row in due[:CANDIDATES]]

    def any_due(self, besides: int = -1) -> bool:
        return any(row.cart_id != besides for row in self._due())

    def seconds_until_due(self, claim: Claim) -> float | None:
        row = self._db.tables.jobs.get(claim.job_id)
        if row is None or row.token != claim.token or row.lease_until > self._db.now or not row.has_message:
            return None
        return row.due_at - self._db.now

    def _due(self) -> list[JobRow]:
        return [row for row in self._db.tables.jobs.values() if row.is_due(self._db.now)]
