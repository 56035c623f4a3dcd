"""One job, from its message to its outcome: claim it, run its handlers, act on what they return or raise."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from chalicelib import job_message
from chalicelib.aws.job_queue import JobQueue, Message
from chalicelib.errors import CartNotFound, DatabaseUnavailable, LeaseLost, PermanentError, TransientError
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.jobs import Job, JobKind, JobStore
from workers.runtime import backoff
from workers.runtime.lease import HeldLeases, Lease, WorkerStopping
from workers.runtime.outcomes import Continue, Defer, Done, Outcome, Park
from workers.runtime.policy import ConsumerPolicy

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
        queue: JobQueue,
        handlers: Mapping[str, Handler],
        give_up: Callable[[Lease, str], None],
        database_clock: Callable[[], float],
        policy: ConsumerPolicy,
    ) -> None:
        """`handlers`: by kind of job. `give_up` fails the job's cart with a user-facing message."""
        self._jobs = jobs
        self._queue = queue
        self._handlers = handlers
        self._give_up = give_up
        self._database_clock = database_clock
        self._policy = policy
        self.held = HeldLeases()
        self.stopping = threading.Event()
        self.database_down = threading.Event()  # a job could not be looked up

    def handle(self, message: Message) -> None:
        """Work on the job that a message names, if no worker holds it."""
        try:
            reference = job_message.decode(message.body)
        except job_message.NewerVersion as error:
            log.warning("Leaving the message for a newer worker: %s", error)
            return
        if self.stopping.is_set():
            self._queue.extend([message.receipt], 0)
            return
        job = self._claim(*reference) if reference else None
        if job is None:
            self._queue.delete(message.receipt)  # not a job message, or the job is done or held
            return
        lease = Lease(job, message.receipt, self.stopping)
        self.held.add(lease)
        try:
            if self._settle(lease):
                self._queue.delete(lease.receipt)
        finally:
            self.held.remove(lease)

    def requeue(self, lease: Lease) -> None:
        """Give the job and its message back as if the job had never been claimed."""
        try:
            self._jobs.requeue(lease.job)
            self._queue.extend([lease.receipt], 0)
        except TransientError as error:
            log.warning("job %d stays leased until its lease expires: %s", lease.job.id, error)

    def _claim(self, job_id: int, token: int) -> Job | None:
        try:
            return self._jobs.claim(job_id, token)
        except DatabaseUnavailable:
            self.database_down.set()
            raise

    def _settle(self, lease: Lease) -> bool:
        """Run the job and act on the outcome; return whether to delete its message."""
        try:
            self._act_on(lease, self._run(lease))
        except WorkerStopping:
            self.requeue(lease)
            return False
        except LeaseLost:
            log.info("job %d: lease lost", lease.job.id)
            return not self.stopping.is_set()  # a drain has requeued the job, and its message with it
        except DatabaseUnavailable as error:
            log.warning("job %d waits for the database: %s", lease.job.id, error.message)
            # The lease expires before the message is delivered again.
            self._queue.extend([lease.receipt], self._policy.visibility)
            return False
        except TransientError as error:
            log.warning("job %d waits: %s", lease.job.id, error.message)
            self._defer_or_give_up(lease, error)
        except Exception as error:
            log.exception("job %d failed (attempt %d)", lease.job.id, lease.job.attempts)
            self._fail_attempt(lease.job, error)
        return True

    def _run(self, lease: Lease) -> Outcome:
        """Run the job's handler, and the handlers of the kinds it continues as."""
        job = lease.job
        log.info(
            "job %d: %s of cart %d, window %d, attempt %d", job.id, job.kind, job.cart_id, job.window, job.attempts
        )
        if job.kind not in self._handlers:
            return Defer(self._policy.newer_kind_delay, f"unknown job kind {job.kind}; waiting for a newer worker")
        try:
            self._check_attempts(job)
            outcome = self._handlers[job.kind].run(lease)
            while isinstance(outcome, Continue):
                lease.job = dataclasses.replace(lease.job, kind=outcome.kind, window=outcome.window)
                outcome = self._continue(lease, outcome)
        except PermanentError as error:
            self._give_up(lease, error.message)
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
        if isinstance(outcome, Defer):
            self._defer(lease.job, outcome.delay, outcome.reason)
        elif isinstance(outcome, Park):
            self._jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window)

    def _check_attempts(self, job: Job) -> None:
        """Raise PermanentError for a job that was attempted too often without progress."""
        if job.attempts > self._policy.poison_attempts and job.kind not in UNFAILING:
            cause = job.last_error or "its worker died each time"
            raise PermanentError(f"The work on this cart failed {self._policy.poison_attempts} times in a row: {cause}")

    def _defer(self, job: Job, delay: float, reason: str) -> None:
        """Send a new message with the delay; the old one is deleted afterwards."""
        if self._jobs.defer(job, delay, reason):
            self._queue.send([_message_for(job)], delay)

    def _defer_or_give_up(self, lease: Lease, error: TransientError) -> None:
        without_progress = self._database_clock() - lease.job.progress_at
        if without_progress > self._policy.stalled_after and lease.job.kind not in UNFAILING:
            self._give_up(lease, f"{error.message} This lasted for {without_progress / 3600:.0f} hours.")
            return
        self._defer(lease.job, backoff.while_unavailable(without_progress), error.message)

    def _fail_attempt(self, job: Job, error: Exception) -> None:
        delay = backoff.after_failure(job.attempts)
        self._jobs.fail_attempt(job, delay, f"{type(error).__name__}: {error}")
        self._queue.send([_message_for(job)], delay)


def _message_for(job: Job) -> JobMessage:
    return JobMessage(job.id, job.token, group_of(job.cart_id))
