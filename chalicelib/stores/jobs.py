"""The job store: claims, leases and fenced writes.

A worker writes within `fenced`, `progressed` or `finish`. They check the job's token and renew its lease in the same
transaction, so a worker that lost its job, or whose cart is gone, writes nothing. The exceptions are single statements
that are guarded themselves, or that change nothing a cart depends on: CartStore.begin_staging, a job's own end of lease
(below), recall claims, which lapse, and the directories of a reconcile job.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, TypeVar

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim, JobMessage, group_of

T = TypeVar("T")

NO_CART = 0  # cart_id of a job that belongs to no cart
MAX_REASON = 1024
OLD_WAIT = "waits: "  # the previous release puts a deferred job's reason into last_error, behind this prefix
_COLUMNS = (Jobs.id, Jobs.cart_id, Jobs.kind, Jobs.window, Jobs.attempts, Jobs.token, Jobs.progress_at, Jobs.last_error)


class JobKind(StrEnum):
    MANIFEST = "manifest"
    RECALL = "recall"
    WINDOW = "window"
    CLEANUP = "cleanup"
    RECONCILE = "reconcile"
    ASSIST = "assist"


class CleanupPass(IntEnum):
    """The `window` of a clean-up job. The last pass runs when every worker of the cart must have stopped."""

    FIRST = 0
    LAST = 1


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `attempts` includes this one; `token` fences this claim's writes.

    `kind` is a str, not a JobKind: a newer version may have added kinds this code does not know.
    """

    id: int
    cart_id: int
    kind: str
    window: int
    attempts: int
    token: int
    progress_at: float
    last_error: str

    @property
    def claim(self) -> Claim:
        return Claim(self.id, self.token)


class JobStore:
    """The SQL on jobs, except for the sweep's, which is in unsent_jobs.py. `lease` is in seconds.

    A job is free, or held under a lease. Its transitions, one UPDATE each:

        add           -> free: due after one lease, because its message is sent after the commit
        claim         free -> held: token + 1, attempts + 1, no resends
        renew, fenced held -> held: the lease renewed
        progressed    held -> held: the lease renewed, attempts = 0
        finish        held -> no row
        defer         held -> free: attempts = 0, wait_reason; due after `delay` and one lease
        park          held -> free: attempts = 0, wait_reason, no message; due after `delay`
        requeue       held -> free: attempts - 1, token + 1; due now
        fail_attempt  held -> free: last_error; due after `delay` and one lease

    Due (next_send_at) is when the sweep may send the job's message. Where the caller sends one with a delay, that is a
    lease later than the message's own delay, so that the sweep sends only if the message is lost.
    """

    def __init__(self, database: Database, lease: float) -> None:
        self._db = database
        self._lease = lease

    def add(self, cart_id: int, kind: str, window: int = 0) -> JobMessage:
        """Insert a job, within the caller's transaction; send the message after the commit."""
        now = self._db.now
        query = Jobs.insert(
            cart_id=cart_id, kind=kind, window=window, next_send_at=_later(now, self._lease), progress_at=now
        )
        return JobMessage(query.execute(self._db.peewee), 0, group_of(cart_id))

    def claim(self, job_id: int, token: int) -> Job | None:
        """Take the lease of a job that no worker holds; None when one holds it, or the job is gone.

        A late or duplicate message, whose `token` is not the row's, claims only a job that is due. So copies of a
        message do not shorten a wait.
        """
        now, until = self._db.now, _later(self._db.now, self._lease)
        sent = {"sends": 0, "has_message": 1}
        taken = Jobs.update(
            token=Jobs.token + 1, attempts=Jobs.attempts + 1, lease_until=until, next_send_at=until, **sent
        ).where(Jobs.id == job_id, Jobs.lease_until <= now, (Jobs.token == token) | (Jobs.next_send_at <= now))
        with self._db.session() as db:
            if not taken.execute(db):
                return None
            row = Jobs.select(*_COLUMNS).where(Jobs.id == job_id).tuples().first(db)
        if row is None:
            return None
        job = Job(*row)
        return dataclasses.replace(job, last_error="") if job.last_error.startswith(OLD_WAIT) else job

    def renew(self, jobs: Iterable[Job]) -> list[Job]:
        """Extend these leases; return the jobs whose lease is lost."""
        with self._db.session() as db:
            return [job for job in jobs if not self._held(job).execute(db)]

    def fenced(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """Run `work` in a transaction that locks the job's row and renews its lease.

        `kind` and `window`, if given, replace the job's. Raises LeaseLost when another worker holds the job or it is
        gone.
        """
        return self._db.transaction(lambda: self._guarded(job, work, _becoming(job, kind, window)))

    def progressed(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """Like `fenced`, for work that makes progress; resets `attempts`."""
        progress = {"attempts": 0, "progress_at": self._db.now}
        return self._db.transaction(lambda: self._guarded(job, work, progress | _becoming(job, kind, window)))

    def finish(self, job: Job, work: Callable[[], T]) -> T:
        """Delete the job and run `work`, its last write, in one transaction. Raises LeaseLost like `fenced`."""

        def guarded() -> T:
            if not Jobs.delete().where(_is(job)).execute(self._db.peewee):
                raise LeaseLost
            return work()

        return self._db.transaction(guarded)

    def defer(self, job: Job, delay: float, reason: str = "") -> bool:
        """Give up the lease for `delay` seconds; this is not a failed attempt. False when the lease was lost."""
        return self._wait(job, reason, next_send_at=_later(self._db.now, delay + self._lease))

    def park(self, job: Job, delay: float, reason: str, window: int) -> bool:
        """Like `defer`, for work that is not urgent: the sweep sends its message when `delay` is over.

        `window` replaces the job's.
        """
        return self._wait(job, reason, next_send_at=_later(self._db.now, delay), has_message=0, window=window)

    def requeue(self, job: Job) -> None:
        """Give up the lease at once, as if the job had never been claimed; the job is due now.

        The token rises, so that what this claim's threads may still write is rejected.
        """
        unclaimed = peewee.Case(None, [(Jobs.attempts > 0, Jobs.attempts - 1)], 0)
        query = Jobs.update(attempts=unclaimed, token=Jobs.token + 1, lease_until=0, next_send_at=self._db.now)
        with self._db.session() as db:
            query.where(_is(job)).execute(db)

    def fail_attempt(self, job: Job, delay: float, error: str) -> None:
        """Give up the lease after a failed attempt; retry in `delay` seconds."""
        due = _later(self._db.now, delay + self._lease)
        query = Jobs.update(lease_until=0, next_send_at=due, last_error=error[:MAX_REASON], wait_reason="")
        with self._db.session() as db:
            query.where(_is(job)).execute(db)

    def delete_all(self, cart_id: int) -> None:
        """Delete every job of a cart, held or not, within the caller's transaction: its workers lose their leases."""
        Jobs.delete().where(Jobs.cart_id == cart_id).execute(self._db.peewee)

    def delete_others(self, job: Job) -> None:
        """Delete every other job of this one's cart, within the caller's transaction."""
        Jobs.delete().where(Jobs.cart_id == job.cart_id, Jobs.id != job.id).execute(self._db.peewee)

    def lock_unclaimed(self, job_id: int, token: int) -> int:
        """The cart of a job not claimed since `token`, its row locked in the caller's transaction; otherwise 0."""
        since = (Jobs.id == job_id) & (Jobs.token == token) & (Jobs.lease_until <= self._db.now)
        if not Jobs.update(sends=Jobs.sends).where(since).execute(self._db.peewee):
            return 0
        row = Jobs.select(Jobs.cart_id).where(Jobs.id == job_id).tuples().first(self._db.peewee)
        return int(row[0]) if row else 0

    def last_problem(self, cart_id: int) -> str:
        """The last error or wait reason of the cart's job that progressed last; within the caller's transaction."""
        problem = (Jobs.last_error != "") | (Jobs.wait_reason != "")
        query = Jobs.select(Jobs.last_error, Jobs.wait_reason).where(Jobs.cart_id == cart_id, problem)
        row = query.order_by(Jobs.progress_at.desc()).tuples().first(self._db.peewee)
        # Deferring clears last_error, so an error found here is newer.
        return str(row[0] or row[1]).removeprefix(OLD_WAIT) if row else ""

    def alive(self, claims: Iterable[Claim]) -> set[Claim]:
        """The claims that still hold their lease."""
        wanted = set(claims)
        ids = sorted({claim.job_id for claim in wanted})
        with self._db.session() as db:
            query = Jobs.select(Jobs.id, Jobs.token).where(Jobs.id.in_(ids), Jobs.lease_until > self._db.now)
            return wanted & {Claim(job_id, token) for job_id, token in query.tuples().execute(db)}

    def add_reconcile(self) -> JobMessage:
        """Add the job that reconciles the volume, replacing an unleased one; within the caller's transaction."""
        Jobs.delete().where(Jobs.cart_id == NO_CART, Jobs.lease_until <= self._db.now).execute(self._db.peewee)
        return self.add(NO_CART, JobKind.RECONCILE)

    def _wait(self, job: Job, reason: str, **changes: Any) -> bool:
        waiting = {"attempts": 0, "lease_until": 0, "last_error": "", "wait_reason": reason[:MAX_REASON]}
        with self._db.session() as db:
            return bool(Jobs.update(**waiting, **changes).where(_is(job)).execute(db))

    def _held(self, job: Job) -> Any:
        until = _later(self._db.now, self._lease)
        return Jobs.update(lease_until=until, next_send_at=until).where(_is(job), Jobs.lease_until > self._db.now)

    def _guarded(self, job: Job, work: Callable[[], T], changes: dict[str, Any]) -> T:
        now, until = self._db.now, _later(self._db.now, self._lease)
        held = Jobs.update(lease_until=until, next_send_at=until, **changes).where(_is(job), Jobs.lease_until > now)
        if not held.execute(self._db.peewee):
            raise LeaseLost
        return work()


def _becoming(job: Job, kind: str | None, window: int | None) -> dict[str, Any]:
    return {"kind": kind or job.kind, "window": job.window if window is None else window}


def _is(job: Job) -> Any:
    # Renewing also requires a live lease. An expired one is never revived: another worker may have acted since.
    return (Jobs.id == job.id) & (Jobs.token == job.token)


def _later(now: Any, seconds: float) -> Any:
    return now + seconds
