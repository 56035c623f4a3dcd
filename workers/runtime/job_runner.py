"""One job, from its claim to its outcome: run its handlers, act on what they return or raise."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from chalicelib.db.states import WaitsFor
from chalicelib.errors import (
    CartNotFound,
    DatabaseUnavailable,
    LeaseLost,
    PermanentError,
    PullingPaused,
    TransientError,
)
from chalicelib.job_message import JobMessage, group_of
from chalicelib.job_queue import JobQueue, Message
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore
from workers.runtime import backoff
from workers.runtime.claim_by_message import ClaimByMessage
from workers.runtime.lease import HeldLeases, Lease, WorkerStopping, logged_as
from workers.runtime.next_job import NextJob
from workers.runtime.outcomes import Continue, Defer, Done, Outcome, Park
from workers.runtime.policy import ConsumerPolicy
from workers.runtime.steps import steps
from workers.runtime.wait_counts import count_outcome, count_wait
from workers.runtime.wait_log import WaitLog
from workers.runtime.waits import waits_of

#: Kinds that are retried forever: what they delete must not stay.
UNFAILING = (JobKind.CLEANUP,)

log = logging.getLogger(__name__)


class Handler(Protocol):
    """Does the work of one kind of job.

    PermanentError fails the job's cart, TransientError defers the job, CartNotFound ends it; any other exception is a
    failed attempt.
    """

    def run(self, lease: Lease) -> Outcome: ...


@runtime_checkable
class ContinuationHandler(Handler, Protocol):
    """A handler that can also continue with what the previous handler has loaded."""

    def run_with(self, lease: Lease, work: Any) -> Outcome: ...


class JobRunner:
    def __init__(
        self,
        jobs: JobStore,
        next_job: NextJob,
        queue: JobQueue,
        handlers: Mapping[str, Handler],
        give_up: Callable[[Lease, str], None],
        database_clock: Callable[[], float],
        policy: ConsumerPolicy,
        waits: WaitLog,
    ) -> None:
        """`handlers`: by kind of job. `give_up` fails the job's cart with a user-facing message."""
        self._jobs = jobs
        self._next = next_job
        self._claims = ClaimByMessage(next_job, queue, policy)
        self._queue = queue
        self._handlers = handlers
        self._give_up = give_up
        self._database_clock = database_clock
        self._policy = policy
        self._waits = waits
        self.held = HeldLeases()
        self.stopping = threading.Event()
        self.database_down = threading.Event()  # a job could not be looked up

    def handle(self, message: Message) -> None:
        """Work on the job whose turn it is; the message says only that there is one."""
        with self._claiming():
            job = self._claims.claim(message, self.stopping)
            lease = None if job is None else self._hold(job, message.receipt)
        if lease is not None:
            self.work(lease)

    def take(self) -> Lease | None:
        """Claim the job whose turn it is, to `work` on; None if there is none that this worker has a place for."""
        with self._claiming():
            job = None if self.stopping.is_set() else self._next.claim()
            return None if job is None else self._hold(job, "")

    def work(self, lease: Lease) -> None:
        """Do a claimed job."""
        job = lease.job
        self._waits.claimed(job)
        try:
            with self._at_work_on(job):
                if self._settle(lease):
                    self._queue.delete(lease.receipt)
        finally:
            self.held.remove(lease)
            self._next.release(job)

    @contextlib.contextmanager
    def _at_work_on(self, job: Job) -> Iterator[None]:
        """Log lines name the job and its cart; the watch sees that this thread works."""
        with logged_as(job), steps.working(f"{job.kind} job {job.id} of cart {job.cart_id}"):
            yield

    def requeue(self, lease: Lease) -> None:
        """Give the job and its message back as if the job had never been claimed."""
        try:
            self._jobs.requeue(lease.job)
            self._queue.extend([lease.receipt], 0)
        except TransientError as error:
            log.warning("job %d stays leased until its lease expires: %s", lease.job.id, error)

    @contextlib.contextmanager
    def _claiming(self) -> Iterator[None]:
        with self.held.claiming():
            try:
                yield
            except DatabaseUnavailable:
                self.database_down.set()
                raise

    def _hold(self, job: Job, receipt: str) -> Lease:
        lease = Lease(job, receipt, self.stopping)
        self.held.add(lease)
        return lease

    def _settle(self, lease: Lease) -> bool:
        """Run the job and act on the outcome; return whether to delete its message."""
        try:
            self._act_on(lease, self._run(lease))
        except WorkerStopping:
            self.requeue(lease)
            return False
        except LeaseLost:
            log.info("job %d: lease lost", lease.job.id)
            self._waits.forget(lease.job)
            if not self.stopping.is_set():  # a drain has requeued the job, and its message with it
                self._queue.extend([lease.receipt], 0)  # another message brought the job to its new holder
            return False
        except DatabaseUnavailable as error:
            self._waits.waiting(lease.job, WaitsFor.DATABASE, error.message)
            # The lease expires before the message is delivered again.
            self._queue.extend([lease.receipt], self._policy.visibility)
            return False
        except PullingPaused as pause:
            self._defer(lease, Defer(self._policy.paused_delay, WaitsFor.PAUSE, pause.reason))
        except TransientError as error:
            self._defer_or_give_up(lease, error)
        except Exception as error:
            log.exception("job %d failed (attempt %d)", lease.job.id, lease.job.attempts)
            self._fail_attempt(lease, error)
        return True

    def _run(self, lease: Lease) -> Outcome:
        """Run the job's handler, and the handlers of the kinds it continues as."""
        job = lease.job
        what = (job.id, job.kind, job.cart_id, job.window, job.attempts)
        log.info("job %d: %s of cart %d, window %d, attempt %d", *what)
        if job.kind not in self._handlers:
            why = f"unknown job kind {job.kind}; waiting for a newer worker"
            return Defer(self._policy.newer_kind_delay, WaitsFor.WORKER, why)
        try:
            self._check_attempts(job)
            outcome = self._handlers[job.kind].run(lease)
            while isinstance(outcome, Continue):
                lease.job = dataclasses.replace(lease.job, kind=outcome.kind, window=outcome.window)
                outcome = self._continue(lease, outcome)
        except PermanentError as error:
            self._fail_cart(lease, error.message)
            return Done()
        except CartNotFound:
            self._jobs.finish(job, lambda: None)  # the cart's row was deleted: no work is left
            return Done()
        return outcome

    def _continue(self, lease: Lease, outcome: Continue) -> Outcome:
        handler = self._handlers[outcome.kind]
        if outcome.work is not None and isinstance(handler, ContinuationHandler):
            return handler.run_with(lease, outcome.work)
        return handler.run(lease)

    def _act_on(self, lease: Lease, outcome: Outcome) -> None:
        if isinstance(outcome, Defer | Park):
            count_outcome(outcome)
        if isinstance(outcome, Defer):
            self._defer(lease, outcome)
        elif isinstance(outcome, Park):
            if self._jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window, outcome.waits_for):
                self._wait(lease, outcome.waits_for, outcome.reason)
        elif lease.waits_for:
            self._waits.ended(lease.job, lease.waits_for)

    def _check_attempts(self, job: Job) -> None:
        """Raise PermanentError for a job that was attempted too often without progress."""
        if job.attempts > self._policy.poison_attempts and job.kind not in UNFAILING:
            cause = job.last_error or "its worker died each time"
            raise PermanentError(f"The work on this cart failed {self._policy.poison_attempts} times in a row: {cause}")

    def _defer(self, lease: Lease, defer: Defer) -> None:
        """Send a new message with the delay; the old one is deleted afterwards."""
        if self._jobs.defer(lease.job, defer.delay, defer.reason, defer.waits_for):
            self._wait(lease, defer.waits_for, defer.reason)
            self._queue.send([_message_for(lease.job)], defer.delay)

    def _wait(self, lease: Lease, waits_for: WaitsFor, reason: str) -> None:
        """Log what the job waits for now, and that it no longer waits for something else."""
        if lease.waits_for and lease.waits_for != waits_for:
            self._waits.ended(lease.job, lease.waits_for)
        self._waits.waiting(lease.job, waits_for, reason)

    def _defer_or_give_up(self, lease: Lease, error: TransientError) -> None:
        without_progress = self._database_clock() - lease.job.progress_at
        if without_progress > self._policy.stalled_after and lease.job.kind not in UNFAILING:
            self._fail_cart(lease, f"{error.message} This lasted for {without_progress / 3600:.0f} hours.")
            return
        defer = Defer(backoff.while_unavailable(without_progress), waits_of(error), error.message)
        count_wait(defer.waits_for, defer.delay)
        self._defer(lease, defer)

    def _fail_cart(self, lease: Lease, message: str) -> None:
        self._give_up(lease, message)
        lease.waits_for = ""
        self._waits.forget(lease.job)

    def _fail_attempt(self, lease: Lease, error: Exception) -> None:
        job, reason = lease.job, f"{type(error).__name__}: {error}"
        delay = backoff.after_failure(job.attempts)
        counts.add(metrics.ATTEMPTS_FAILED, job.kind)
        count_wait(WaitsFor.RETRY, delay)
        self._jobs.fail_attempt(job, delay, reason)
        self._wait(lease, WaitsFor.RETRY, reason)
        self._queue.send([_message_for(job)], delay)


def _message_for(job: Job) -> JobMessage:
    return JobMessage(job.id, job.token, group_of(job.cart_id), job.request)
