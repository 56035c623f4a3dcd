"""Double of chalicelib.stores.jobs.JobStore."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from chalicelib.db.states import WaitsFor
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim, JobMessage, group_of
from chalicelib.stores.job_row import MANY_PER_CART, Job, JobKind
from chalicelib.stores.job_waits import MAX_REASON, NO_WAIT
from chalicelib.stores.turns import HOUSEKEEPING, HOUSEKEEPING_KINDS, SMALL_BYTES, SMALL_FILES, SMALL_KINDS
from tests.doubles.database import JobRow, MemoryDatabase

T = TypeVar("T")


class MemoryJobStore:
    def __init__(self, database: MemoryDatabase, lease: float) -> None:
        self._db = database
        self._lease = lease

    def add(self, cart_id: int, kind: str, window: int = 0) -> JobMessage:
        self._db.require_transaction()
        job_id, now = self._db.next_id(), self._db.now
        row = JobRow(job_id, cart_id, kind, window, progress_at=now, next_send_at=now + self._lease, due_at=now)
        row = replace(row, line=self._line(cart_id, kind), small=self._is_small(cart_id, kind))
        cart = self._db.tables.carts.get(cart_id)
        row = replace(row, request=self._db.tables.requests.get(cart_id, ""))
        row = replace(row, uid=cart.uid, owner=cart.owner) if cart else row
        self._db.tables.jobs[job_id] = row
        return JobMessage(job_id, 0, group_of(cart_id))

    def claim(self, job_id: int, token: int) -> Job | None:
        row, now = self._db.tables.jobs.get(job_id), self._db.now
        if row is None or row.token != token or not row.is_due(now):
            return None
        row = self._write(row, token=row.token + 1, attempts=row.attempts + 1, **self._lease_from_now)
        if row.kind in MANY_PER_CART:
            for other in list(self._db.tables.jobs.values()):
                if other.cart_id == row.cart_id and other.is_due(now):
                    self._write(other, due_at=now)
        return Job(*(getattr(row, field.name) for field in fields(Job)))

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
        progress = {"attempts": 0, "progress_at": self._db.now, **NO_WAIT}
        return self._db.transaction(lambda: self._guarded(job, work, kind, window, progress))

    def finish(self, job: Job, work: Callable[[], T]) -> T:
        def guarded() -> T:
            if self._row(job) is None:
                raise LeaseLost
            del self._db.tables.jobs[job.id]
            return work()

        return self._db.transaction(guarded)

    def defer(self, job: Job, delay: float, reason: str = "", waits_for: WaitsFor = WaitsFor.TURN) -> bool:
        return self._wait(job, waits_for, reason, **self._due_after(delay))

    def park(self, job: Job, delay: float, reason: str, window: int, waits_for: WaitsFor = WaitsFor.WORKER) -> bool:
        row, now = self._row(job), self._db.now
        woken = row is not None and row.due_at <= now
        due = {"next_send_at": now + self._lease, "due_at": now} if woken else {"next_send_at": now + delay}
        return self._wait(job, waits_for, reason, **{"due_at": now + delay, **due}, has_message=woken, window=window)

    def requeue(self, job: Job) -> None:
        if row := self._row(job):
            attempts, token = max(0, row.attempts - 1), row.token + 1
            now = self._db.now
            self._write(row, attempts=attempts, token=token, lease_until=0.0, next_send_at=now, due_at=now)

    def fail_attempt(self, job: Job, delay: float, error: str) -> None:
        if row := self._row(job):
            failed = {"lease_until": 0.0, "last_error": error[:MAX_REASON], "wait_reason": ""}
            self._write(row, **failed, **self._waiting(row, WaitsFor.RETRY, self._db.now), **self._due_after(delay))

    def delete_all(self, cart_id: int) -> None:
        self._delete(lambda row: row.cart_id == cart_id)

    def delete_others(self, job: Job) -> None:
        self._delete(lambda row: row.cart_id == job.cart_id and row.id != job.id)

    def alive(self, claims: Iterable[Claim]) -> set[Claim]:
        rows = self._db.tables.jobs.values()
        return set(claims) & {Claim(row.id, row.token) for row in rows if row.lease_until > self._db.now}

    def add_look(self) -> list[JobMessage]:
        return (
            [] if JobKind.LOOK in [row.kind for row in self._db.tables.jobs.values()] else [self.add(0, JobKind.LOOK)]
        )

    def hasten(self, job_ids: Collection[int], delay: float) -> list[JobMessage]:
        rows, now = self._db.tables.jobs, self._db.now
        waiting = [rows[job_id] for job_id in sorted(job_ids) if job_id in rows]
        waiting = [row for row in waiting if row.waits_for == WaitsFor.TAPE and row.lease_until <= now]
        later = [row for row in waiting if row.due_at > now + delay]
        for row in later:
            self._write(row, **self._due_after(delay))
        return [JobMessage(row.id, row.token, group_of(row.cart_id), row.request) for row in later]

    @property
    def _lease_from_now(self) -> dict[str, float]:
        until = self._db.now + self._lease
        return {"lease_until": until, "next_send_at": until, "due_at": until}

    def _due_after(self, delay: float) -> dict[str, float]:
        return {"due_at": self._db.now + delay, "next_send_at": self._db.now + delay + self._lease}

    def _line(self, cart_id: int, kind: str) -> str:
        return HOUSEKEEPING if kind in HOUSEKEEPING_KINDS else self._db.tables.owners.get(cart_id, "")

    def _is_small(self, cart_id: int, kind: str) -> int:
        cart = self._db.tables.carts.get(cart_id)
        if kind in HOUSEKEEPING_KINDS:
            return 1
        if cart is None or kind not in SMALL_KINDS:
            return 0
        return int(1 <= cart.files_total <= SMALL_FILES and cart.bytes_total <= SMALL_BYTES)

    def _row(self, job: Job) -> JobRow | None:
        """The job's row, unless another claim has raised its token."""
        row = self._db.tables.jobs.get(job.id)
        return row if row and row.token == job.token else None

    def _write(self, row: JobRow, **changes: Any) -> JobRow:
        changed = self._db.tables.jobs[row.id] = replace(row, **changes)
        return changed

    def _wait(self, job: Job, waits_for: WaitsFor, reason: str, **changes: Any) -> bool:
        row = self._row(job)
        if row is None:
            return False
        free = {"attempts": 0, "lease_until": 0.0, "last_error": "", "wait_reason": reason[:MAX_REASON]}
        waits = self._waiting(row, waits_for, self._db.now)
        if waits_for == WaitsFor.PAUSE:
            waits["progress_at"] = self._db.now
        self._write(row, **free, **waits, small=self._is_small(row.cart_id, row.kind), **changes)
        return True

    @staticmethod
    def _waiting(row: JobRow, waits_for: WaitsFor, since: float) -> dict[str, Any]:
        same = row.waits_for == waits_for and row.waits_since is not None
        return {"waits_since": row.waits_since if same else since, "waits_for": waits_for}

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
