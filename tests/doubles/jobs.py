"""Double of chalicelib.stores.jobs.JobStore."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim, JobMessage, group_of
from chalicelib.stores.jobs import MAX_REASON, Job
from tests.doubles.database import JobRow, MemoryDatabase

T = TypeVar("T")


class MemoryJobStore:
    def __init__(self, database: MemoryDatabase, lease: float) -> None:
        self._db = database
        self._lease = lease

    def add(self, cart_id: int, kind: str, window: int = 0) -> JobMessage:
        self._db.require_transaction()
        job_id, now = self._db.next_id(), self._db.now
        row = JobRow(job_id, cart_id, kind, window, progress_at=now, next_send_at=now + self._lease)
        self._db.tables.jobs[job_id] = row
        return JobMessage(job_id, 0, group_of(cart_id))

    def claim(self, job_id: int, token: int) -> Job | None:
        row, now = self._db.tables.jobs.get(job_id), self._db.now
        if row is None or row.lease_until > now or (row.token != token and row.next_send_at > now):
            return None
        row = self._write(row, token=row.token + 1, attempts=row.attempts + 1, has_message=True, **self._lease_from_now)
        return Job(row.id, row.cart_id, row.kind, row.window, row.attempts, row.token, row.progress_at, row.last_error)

    def renew(self, jobs: Iterable[Job]) -> list[Job]:
        lost = []
        for job in jobs:
            row = self._row(job)
            if row is None or row.lease_until <= self._db.now:
                lost.append(job)
            else:
                self._write(row, **self._lease_from_now)
        return lost

    def fenced(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        return self._db.transaction(lambda: self._guarded(job, work, kind, window, {}))

    def progressed(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        progress = {"attempts": 0, "progress_at": self._db.now}
        return self._db.transaction(lambda: self._guarded(job, work, kind, window, progress))

    def finish(self, job: Job, work: Callable[[], T]) -> T:
        def guarded() -> T:
            if self._row(job) is None:
                raise LeaseLost
            del self._db.tables.jobs[job.id]
            return work()

        return self._db.transaction(guarded)

    def defer(self, job: Job, delay: float, reason: str = "") -> bool:
        return self._wait(job, reason, next_send_at=self._db.now + delay + self._lease)

    def park(self, job: Job, delay: float, reason: str, window: int) -> bool:
        return self._wait(job, reason, next_send_at=self._db.now + delay, has_message=False, window=window)

    def requeue(self, job: Job) -> None:
        if row := self._row(job):
            attempts, token = max(0, row.attempts - 1), row.token + 1
            self._write(row, attempts=attempts, token=token, lease_until=0.0, next_send_at=self._db.now)

    def fail_attempt(self, job: Job, delay: float, error: str) -> None:
        if row := self._row(job):
            due = self._db.now + delay + self._lease
            self._write(row, lease_until=0.0, next_send_at=due, last_error=error[:MAX_REASON], wait_reason="")

    def delete_all(self, cart_id: int) -> None:
        self._delete(lambda row: row.cart_id == cart_id)

    def delete_others(self, job: Job) -> None:
        self._delete(lambda row: row.cart_id == job.cart_id and row.id != job.id)

    def alive(self, claims: Iterable[Claim]) -> set[Claim]:
        rows = self._db.tables.jobs.values()
        return set(claims) & {Claim(row.id, row.token) for row in rows if row.lease_until > self._db.now}

    @property
    def _lease_from_now(self) -> dict[str, float]:
        until = self._db.now + self._lease
        return {"lease_until": until, "next_send_at": until}

    def _row(self, job: Job) -> JobRow | None:
        """The job's row, unless another claim has raised its token."""
        row = self._db.tables.jobs.get(job.id)
        return row if row and row.token == job.token else None

    def _write(self, row: JobRow, **changes: Any) -> JobRow:
        changed = self._db.tables.jobs[row.id] = replace(row, **changes)
        return changed

    def _wait(self, job: Job, reason: str, **changes: Any) -> bool:
        row = self._row(job)
        if row is None:
            return False
        waiting = {"attempts": 0, "lease_until": 0.0, "last_error": "", "wait_reason": reason[:MAX_REASON]}
        self._write(row, **waiting, **changes)
        return True

    def _guarded(
        self, job: Job, work: Callable[[], T], kind: str | None, window: int | None, changes: dict[str, Any]
    ) -> T:
        row = self._row(job)
        if row is None or row.lease_until <= self._db.now:
            raise LeaseLost
        becoming = {"kind": kind or job.kind, "window": job.window if window is None else window}
        self._write(row, **self._lease_from_now, **becoming, **changes)
        return work()

    def _delete(self, which: Callable[[JobRow], bool]) -> None:
        self._db.require_transaction()
        jobs = self._db.tables.jobs
        for row in [row for row in jobs.values() if which(row)]:
            del jobs[row.id]
