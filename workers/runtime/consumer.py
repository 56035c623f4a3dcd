"""Receives messages, hands each to the job runner, and drains.

The order of a drain matters: receiving stops; handlers stop at their next check; heartbeats go on until the last
handler has returned; what is left then is requeued with a higher token, which fences off late writes. The job runner
decides what happens to messages of a newer version and to jobs of an unknown kind.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from chalicelib.aws.job_queue import JobQueue, Message
from chalicelib.errors import TransientError
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import JobRunner
from workers.runtime.policy import ConsumerPolicy

log = logging.getLogger(__name__)


class Besides(Protocol):
    """Runs beside the jobs, in a thread of its own, until `stop`."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Consumer:
    def __init__(
        self,
        queue: JobQueue,
        runner: JobRunner,
        heartbeat: Heartbeat,
        database_clock: Callable[[], float],
        policy: ConsumerPolicy,
        clock: Callable[[], float] = time.monotonic,
        besides: Sequence[Besides] = (),
    ) -> None:
        """`database_clock` is only used as a ping: does the database answer?"""
        self._besides = besides
        self._queue = queue
        self._runner = runner
        self._heartbeat = heartbeat
        self._database_clock = database_clock
        self._policy = policy
        self._clock = clock
        self._free_slots = threading.Semaphore(policy.slots)
        self._pool = ThreadPoolExecutor(policy.slots, thread_name_prefix="job")
        self._signals = _Signals()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Receive until `stop`."""
        for beside in self._besides:
            threading.Thread(target=beside.run, name=type(beside).__name__, daemon=True).start()
        for name, run in (("heartbeat", self._heartbeat.run), ("receive", self._receive)):
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        while not self._signals.wait():
            pass
        self._runner.stopping.set()

    def stop(self) -> None:
        """Begin to drain. Safe to call within a signal handler."""
        self._signals.put()

    def held(self) -> list[int]:
        """The ids of the jobs that the worker holds."""
        return self._runner.held.ids()

    @property
    def threads_run(self) -> bool:
        """Whether those that renew and receive do, or have not begun."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def is_busy(self) -> bool:
        """Whether the worker holds any job."""
        return bool(self._runner.held.all())

    def drain(self, grace: float) -> bool:
        """Wait up to `grace` seconds for the handlers to return, then requeue what they still hold.

        Returns whether all of them returned.
        """
        self._runner.stopping.set()
        self._runner.held.wait_until_none(grace)
        self._heartbeat.stop()
        for runs in self._besides:
            runs.stop()
        left = self._runner.held.all()
        for lease in left:
            lease.lost.set()
            self._runner.requeue(lease)
        return not left

    def _receive(self) -> None:
        stopping = self._runner.stopping
        while not stopping.is_set():
            self._await_database()
            self._free_slots.acquire()
            message = self._next_message()
            if message is None:
                self._free_slots.release()
            else:
                self._pool.submit(self._runner.handle, message).add_done_callback(self._slot_is_free)

    def _next_message(self) -> Message | None:
        """Receive one message at a time, so that jobs spread over workers (ADR 0022)."""
        began = self._clock()
        try:
            messages = self._queue.receive(1, self._policy.poll, self._policy.visibility)
        except Exception as error:  # any error: if this thread ended, the worker would hang
            log.warning("cannot receive messages: %s", error)
            messages = []
        if messages:
            return messages[0]
        if self._clock() - began < self._policy.receive_pause:
            # The receive failed, or the queue does not support long polling.
            self._runner.stopping.wait(self._policy.receive_pause)
        return None

    def _await_database(self) -> None:
        """Pause while the database is down: each delivery counts towards the dead-letter limit."""
        while self._runner.database_down.is_set() and not self._runner.stopping.is_set():
            try:
                self._database_clock()
            except TransientError:
                self._runner.stopping.wait(self._policy.receive_pause)
            else:
                self._runner.database_down.clear()

    def _slot_is_free(self, done: Future[None]) -> None:
        self._free_slots.release()
        error = done.exception()
        if error is not None:
            log.error("a message was not settled and will be delivered again: %s", error, exc_info=error)


class _Signals:
    """Wakes the main thread. A queue, because Event.set is not safe within a signal handler."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self) -> None:
        self._queue.put(None)

    def wait(self) -> bool:
        """Wait up to a second. Python runs a signal handler only while the main thread runs, so it must wake up."""
        try:
            self._queue.get(timeout=1.0)
        except queue.Empty:
            return False
        return True
