"""The job store: claims, leases and fenced writes.

A worker writes within `fenced`, `progressed` or `finish`. They check the job's token and renew its lease in the same
transaction, so a worker that lost its job, or whose cart is gone, writes nothing. Exceptions are guarded themselves, or
change nothing a cart depends on: CartStore.begin_staging, a job's end of lease, recall claims, reconciled directories.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

import peewee

from chalicelib.config.log_context import current_request
from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.statement import Statement
from chalicelib.db.states import WaitsFor
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim, JobMessage, group_of
from chalicelib.stores.job_row import MANY_PER_CART, NO_CART, Job, JobKind, ReconcilePass
from chalicelib.stores.job_statements import JobStatements
from chalicelib.stores.job_waits import MAX_REASON, waiting
from chalicelib.stores.turns import is_small
from chalicelib.stores.unlocked_jobs import go_to_the_end

T = TypeVar("T")

OLD_WAIT = "waits: "  # the previous release puts a deferred job's reason into last_error, behind this prefix


class JobStore:
    """What workers do with jobs; due_jobs.py finds the next one, unsent_jobs.py is the sweep's. `lease` is in seconds.

    A job is free, or held under a lease. Its transitions, one UPDATE each:

        add           -> free: due now; its message is sent after the commit
        claim         free -> held: token + 1, attempts + 1, no resends
        renew, fenced held -> held: the lease renewed
        progressed    held -> held: the lease renewed, attempts = 0, waits for nothing
        finish        held -> no row
        defer         held -> free: attempts = 0, what it waits for; due after `delay`; a pause is no lack of progress
        park          held -> free: attempts = 0, likewise, no message; due when the sweep sends one, after `delay`
        requeue       held -> free: attempts - 1, token + 1; due now
        fail_attempt  held -> free: last_error, waits for the retry; due after `delay`

    Due (due_at): any worker with any message may claim it. The sweep sends another message a lease after that
    (next_send_at), if one is missing.
    """

    def __init__(self, database: Database, lease: float, parked_has_message: int = 0) -> None:
        """`parked_has_message`: 1 where the table is the queue, so that no sweep need send a parked job."""
        self._db = database
        self._lease = lease
        self._parked = parked_has_message
        self._statements = JobStatements(lease)

    def add(self, cart_id: int, kind: str, window: int = 0) -> JobMessage:
        """Insert a job, within the caller's transaction; send the message after the commit."""
        cursor = self._statements.add(kind).run(self._db, cart_id=cart_id, window=window)
        return JobMessage(int(cursor.lastrowid), 0, group_of(cart_id), current_request())

    def claim(self, job_id: int, token: int) -> Job | None:
        """Take the lease of a job that is due and not claimed since `token`; None otherwise.

        The cart's other jobs go to the end of their line.
        """
        job = self._db.transaction(lambda: self._claimed(job_id, token))
        if job is not None and job.kind in MANY_PER_CART:
            go_to_the_end(self._db, job.cart_id)
        return job

    def renew(self, jobs: Iterable[Job]) -> list[Job]:
        """Extend these leases; return the jobs whose lease is lost."""
        with self._db.writing() as db:
            return [job for job in jobs if not self._renewal(job).execute(db)]

    def fenced(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """Run `work` in a transaction that locks the job's row and renews its lease.

        `kind` and `window`, if given, replace the job's. Raises LeaseLost when another worker holds the job or it is
        gone.
        """
        return self._db.transaction(
            lambda: self._guarded(self._statements.keep, job, work, _becoming(job, kind, window))
        )

    def progressed(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """Like `fenced`, for work that makes progress; resets `attempts`."""
        return self._db.transaction(
            lambda: self._guarded(self._statements.progress, job, work, _becoming(job, kind, window))
        )

    def finish(self, job: Job, work: Callable[[], T]) -> T:
        """Delete the job and run `work`, its last write, in one transaction. Raises LeaseLost like `fenced`."""

        def guarded() -> T:
            if not self._statements.end.run(self._db, id=job.id, token=job.token).rowcount:
                raise LeaseLost
            return work()

        return self._db.transaction(guarded)

    def defer(self, job: Job, delay: float, reason: str = "", waits_for: WaitsFor = WaitsFor.TURN) -> bool:
        """Give up the lease for `delay` seconds; this is not a failed attempt. False when the lease was lost."""
        return self._wait(job, waits_for, reason, **self._due_after(delay))

    def park(self, job: Job, delay: float, reason: str, window: int, waits_for: WaitsFor = WaitsFor.WORKER) -> bool:
        """Like `defer`, for work that is not urgent: the sweep sends its message when `delay` is over.

        `window` replaces the job's. A job that was woken while it was held is due at once.
        """
        now = self._db.now
        woken = Jobs.due_at <= now
        due = peewee.Case(None, [(woken, now)], now + delay)
        next_send_at = peewee.Case(None, [(woken, now + self._lease)], now + delay)
        has_message = peewee.Case(None, [(woken, 1)], self._parked)
        times = {"due_at": due, "next_send_at": next_send_at, "has_message": has_message, "ready": 0}
        return self._wait(job, waits_for, reason, window=window, **times)

    def requeue(self, job: Job) -> None:
        """Give up the lease at once, as if the job had never been claimed; the job is due now.

        The token rises, so that what this claim's threads may still write is rejected.
        """
        unclaimed = peewee.Case(None, [(Jobs.attempts > 0, Jobs.attempts - 1)], 0)
        due = {"next_send_at": self._db.now, "due_at": self._db.now, "ready": 1}
        query = Jobs.update(attempts=unclaimed, token=Jobs.token + 1, lease_until=0, **due)
        with self._db.writing() as db:
            query.where(_is(job)).execute(db)

    def fail_attempt(self, job: Job, delay: float, error: str) -> None:
        """Give up the lease after a failed attempt; retry in `delay` seconds."""
        failed = {"lease_until": 0, "last_error": error[:MAX_REASON], "wait_reason": ""}
        query = Jobs.update(**failed, **waiting(WaitsFor.RETRY, self._db.now), **self._due_after(delay))
        with self._db.writing() as db:
            query.where(_is(job)).execute(db)

    def delete_all(self, cart_id: int) -> None:
        """Delete every job of a cart, held or not, within the caller's transaction: its workers lose their leases."""
        Jobs.delete().where(Jobs.cart_id == cart_id).execute(self._db.peewee)

    def delete_others(self, job: Job) -> None:
        """Delete every other job of this one's cart, within the caller's transaction."""
        Jobs.delete().where(Jobs.cart_id == job.cart_id, Jobs.id != job.id).execute(self._db.peewee)

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

    def add_reconcile(self, directories: ReconcilePass = ReconcilePass.SOME) -> JobMessage:
        """Add the job that reconciles the volume; within the caller's transaction."""
        return self._add_only(JobKind.RECONCILE, directories)

    def add_evict(self) -> JobMessage:
        """Add the job that evicts the marked files; within the caller's transaction."""
        return self._add_only(JobKind.EVICT, 0)

    def add_look(self) -> list[JobMessage]:
        """Add the job that looks at files on tape, unless there is one; within the caller's transaction."""
        same = Jobs.select(Jobs.id).where(Jobs.cart_id == NO_CART, Jobs.kind == JobKind.LOOK)
        return [] if same.exists(self._db.peewee) else [self.add(NO_CART, JobKind.LOOK)]

    def hasten(self, job_ids: Collection[int], delay: float) -> list[JobMessage]:
        """Let those of these jobs that wait for tape be due in `delay` seconds, if that is sooner.

        Returns the messages to send with this delay: those that were sent before come later.
        """
        free = (Jobs.lease_until <= self._db.now) & (Jobs.waits_for == WaitsFor.TAPE)
        later = Jobs.id.in_(sorted(job_ids)) & free & (Jobs.due_at > self._db.now + delay)
        with self._db.session() as db:
            rows = list(Jobs.select(Jobs.id, Jobs.token, Jobs.cart_id, Jobs.request).where(later).tuples().execute(db))
            if rows:
                Jobs.update(**self._due_after(delay)).where(later).execute(db)
        return [JobMessage(job_id, token, group_of(cart_id), request) for job_id, token, cart_id, request in rows]

    def _claimed(self, job_id: int, token: int) -> Job | None:
        row = self._statements.free.run(self._db, id=job_id, token=token).fetchone()
        if row is None:
            return None
        self._statements.take.run(self._db, id=job_id)
        job = Job(*row)
        error = "" if job.last_error.startswith(OLD_WAIT) else job.last_error
        return dataclasses.replace(job, token=job.token + 1, attempts=job.attempts + 1, last_error=error)

    def _add_only(self, kind: JobKind, window: int) -> JobMessage:
        """Add a job of no cart, replacing those like it that no worker holds."""
        same = (Jobs.cart_id == NO_CART) & (Jobs.kind == kind) & (Jobs.window == window)
        Jobs.delete().where(same, Jobs.lease_until <= self._db.now).execute(self._db.peewee)
        return self.add(NO_CART, kind, window)

    def _due_after(self, delay: float) -> dict[str, Any]:
        now = self._db.now
        return {"due_at": now + delay, "ready": 0, "next_send_at": now + (delay + self._lease)}

    def _wait(self, job: Job, waits_for: WaitsFor, reason: str, **changes: Any) -> bool:
        free = {"attempts": 0, "lease_until": 0, "last_error": "", "wait_reason": reason[:MAX_REASON]}
        waits = waiting(waits_for, self._db.now)
        if waits_for == WaitsFor.PAUSE:
            waits["progress_at"] = self._db.now
        small = is_small(job.cart_id, job.kind)  # the layout may have shown that it is not
        with self._db.writing() as db:
            return bool(Jobs.update(**free, **waits, small=small, **changes).where(_is(job)).execute(db))

    def _guarded(self, renew: Statement, job: Job, work: Callable[[], T], becoming: dict[str, Any]) -> T:
        if not renew.run(self._db, id=job.id, token=job.token, **becoming).rowcount:
            raise LeaseLost
        return work()

    def _renewal(self, job: Job, **changes: Any) -> Any:
        # Requires a live lease. An expired one is never revived: another worker may have acted since.
        return Jobs.update(**self._statements.held_from(self._db.now), **changes).where(
            _is(job), Jobs.lease_until > self._db.now
        )


def _becoming(job: Job, kind: str | None, window: int | None) -> dict[str, Any]:
    return {"kind": kind or job.kind, "window": job.window if window is None else window}


def _is(job: Job) -> Any:
    return (Jobs.id == job.id) & (Jobs.token == job.token)
