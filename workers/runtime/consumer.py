"""Receives jobs, keeps their leases, calls their handlers and settles what comes of it.

The order of a stop matters: no more receiving; handlers are told; heartbeats go on until the last of them has
returned; what is left then is handed back and its fence raised, so that nothing it still writes counts.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from chalicelib import job_message
from chalicelib.aws.job_queue import FAULTS, JobQueue, Message
from chalicelib.db.database import Database
from chalicelib.errors import DatabaseUnavailable, LayoutChanged, LeaseLost, PermanentError, Retry, TransientError
from chalicelib.job_message import JobMessage, NewerVersion, group_of
from chalicelib.stores.jobs import Job, JobKind, JobStore
from workers.files.volume import volume_faults
from workers.handlers.cleanup import Ending
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.lease import Lease, WorkerStopping

POLL = 20  # seconds, the longest SQS waits for a message
POISON = 5  # attempts without progress
STALLED = 86400.0  # seconds without progress, while what we need fails, after which a cart is given up
PAUSE = 1.0  # seconds between tries to receive while that fails
LONGEST_PAUSE = 60.0  # seconds between tries while something we need fails
FOR_NEWER = 5.0  # seconds a job of a kind that we do not know is left to workers that do

Handler = Callable[[Lease], None]
log = logging.getLogger(__name__)


class Consumer:
    def __init__(
        self,
        database: Database,
        job_store: JobStore,
        job_queue: JobQueue,
        handlers: dict[str, Handler],
        ending: Ending,
        *,
        slots: int,
        lease: float,
        visibility: int,
    ) -> None:
        """`slots`: jobs held at once. `lease` and `visibility` are in seconds."""
        self._database = database
        self._jobs = job_store
        self._queue = job_queue
        self._handlers = handlers
        self._ending = ending
        self._visibility = visibility
        self._free = threading.Semaphore(slots)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="job")
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._blind = threading.Event()  # the database did not answer when a job was looked up
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._heartbeat = Heartbeat(job_store, job_queue, self._leases, lease=lease, visibility=visibility)

    def run(self) -> None:
        """Receive until `stop`."""
        threading.Thread(target=self._heartbeat.run, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        while not self._told_to_stop():
            pass
        self._stopping.set()

    def stop(self) -> None:
        """Begin to drain; the one thing here that is safe within a signal handler."""
        self._signals.put(None)

    def _told_to_stop(self) -> bool:
        """Wait a while for `stop`: Python runs a handler only when this thread runs, whichever the signal reached."""
        try:
            self._signals.get(timeout=1.0)
        except queue.Empty:
            return False
        return True

    def drain(self, grace: float) -> bool:
        """Wait up to `grace` seconds for the handlers to return, then hand back what they still hold."""
        end = time.monotonic() + grace
        while self._held and time.monotonic() < end:
            time.sleep(0.02)
        self._heartbeat.stop()
        left = self._leases()
        for lease in left:
            lease.lost.set()
            self._hand_back(lease)
        return not left

    def _leases(self) -> list[Lease]:
        with self._lock:
            return list(self._held.values())

    def _receive(self) -> None:
        while not self._stopping.is_set():
            self._await_database()
            self._free.acquire()
            message = self._message()
            if message is None:
                self._free.release()
            else:
                self._pool.submit(self._work, message).add_done_callback(self._slot_free)

    def _message(self) -> Message | None:
        """One, however many could be worked on: so jobs that are sent together spread over all workers."""
        began = time.monotonic()
        try:
            messages = self._queue.receive(1, POLL, self._visibility)
        except Exception as error:  # whatever the queue says: this thread must go on, or the worker hangs
            log.warning("no messages: %s", error)
            messages = []
        if messages:
            return messages[0]
        if time.monotonic() - began < PAUSE:
            self._stopping.wait(PAUSE)  # it failed, or does not wait for messages as it should
        return None

    def _await_database(self) -> None:
        """Take no messages that could not be looked at: each would count as delivered, and end as a dead letter."""
        while self._blind.is_set() and not self._stopping.is_set():
            try:
                self._database.clock()
            except TransientError:
                self._stopping.wait(PAUSE)
            else:
                self._blind.clear()

    def _slot_free(self, done: Future[None]) -> None:
        self._free.release()
        error = done.exception()
        if error is not None:
            log.error("a job was left to its lease: %s", error, exc_info=error)

    def _work(self, message: Message) -> None:
        """One message, from claim to settlement."""
        try:
            told = job_message.decode(message.body)
        except NewerVersion as error:
            log.warning("left to a newer worker: %s", error)
            return
        if self._stopping.is_set():
            self._queue.extend([message.receipt], 0)
            return
        job = self._claimed(told) if told else None
        if job is None:
            self._queue.delete(message.receipt)  # not ours, done, or held by another
            return
        lease = Lease(job, message.receipt, self._stopping)
        with self._lock:
            self._held[job.id] = lease
        try:
            self._settle(lease)
        finally:
            with self._lock:
                self._held.pop(job.id, None)

    def _claimed(self, told: tuple[int, int]) -> Job | None:
        try:
            return self._jobs.claim(*told)
        except DatabaseUnavailable:
            self._blind.set()
            raise

    def _settle(self, lease: Lease) -> None:
        try:
            self._handle(lease)
        except Retry as later:
            self._put_off(lease, later.delay, later.reason)
        except WorkerStopping:
            self._hand_back(lease)
            return
        except LeaseLost:
            log.info("job %d is no longer ours", lease.job.id)
        except DatabaseUnavailable as error:
            log.warning("job %d waits for the database: %s", lease.job.id, error.message)
            self._queue.extend([lease.receipt], self._visibility)  # its lease runs out; then it comes again
            return
        except TransientError as error:
            log.warning("job %d waits: %s", lease.job.id, error.message)
            self._put_off_or_fail(lease, error)
        except FileNotFoundError as error:  # somebody has emptied the volume: it is prepared anew at the next sweep
            log.warning("job %d waits: %s is gone", lease.job.id, error.filename)
            self._put_off_or_fail(lease, TransientError(f"{error.filename} is gone from the volume."))
        except Exception as error:
            log.exception("job %d failed (attempt %d)", lease.job.id, lease.job.attempts)
            self._release(lease, error)
        self._queue.delete(lease.receipt)

    def _handle(self, lease: Lease) -> None:
        job = lease.job
        log.info(
            "job %d: %s of cart %d, window %d, attempt %d", job.id, job.kind, job.cart_id, job.window, job.attempts
        )
        if job.kind not in self._handlers:
            raise Retry(FOR_NEWER, f"{job.kind} is known to newer workers only")
        try:
            if job.attempts > POISON and job.kind != JobKind.CLEANUP:
                cause = job.last_error or "its worker died each time"
                raise PermanentError(f"The work on this cart failed {POISON} times in a row: {cause}")
            with volume_faults():
                self._handlers[job.kind](lease)
        except LayoutChanged:
            self._ending_or_failure(lease)
        except PermanentError as error:
            self._ending.fail(lease, error.message)

    def _ending_or_failure(self, lease: Lease) -> None:
        try:
            self._ending.lay_out_anew(lease)
        except PermanentError as error:
            self._ending.fail(lease, error.message)

    def _put_off(self, lease: Lease, delay: float, reason: str) -> None:
        """A new message with the delay, then the old one goes: waiting never counts as failing."""
        if self._jobs.defer(lease.job, delay, reason):
            self._queue.send([_hint(lease.job)], delay)

    def _put_off_or_fail(self, lease: Lease, error: TransientError) -> None:
        without = self._database.clock() - lease.job.progress_at
        if without > STALLED and lease.job.kind != JobKind.CLEANUP:
            self._ending.fail(lease, f"{error.message} This lasted for {without / 3600:.0f} hours.")
            return
        self._put_off(lease, min(LONGEST_PAUSE, max(1.0, without / 4)), error.message)

    def _release(self, lease: Lease, error: Exception) -> None:
        delay = min(LONGEST_PAUSE, 2.0**lease.job.attempts)
        self._jobs.fail_attempt(lease.job, delay, f"{type(error).__name__}: {error}")
        self._queue.send([_hint(lease.job)], delay)

    def _hand_back(self, lease: Lease) -> None:
        try:
            self._jobs.requeue(lease.job)
            self._queue.extend([lease.receipt], 0)
        except (TransientError, *FAULTS) as error:
            log.warning("job %d is left to its lease: %s", lease.job.id, error)


def _hint(job: Job) -> JobMessage:
    return JobMessage(job.id, job.token, group_of(job.cart_id))
