"""Takes jobs from where they come, works on each in a thread of its own, and drains.

The order of a drain matters: receiving stops; handlers stop at their next check; heartbeats go on until the last
handler has returned; what is left then is requeued with a higher token, which fences off late writes. The job runner
decides what happens to messages of a newer version and to jobs of an unknown kind.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from chalicelib.errors import TransientError
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import JobRunner
from workers.runtime.policy import ConsumerPolicy

log = logging.getLogger(__name__)


class Besides(Protocol):
    """Runs beside the jobs, in a thread of its own, until `stop`."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Source(Protocol):
    """Where jobs come from: `next` and `close` are called by one thread, `stop` by any."""

    def next(self) -> Callable[[], None] | None:
        """What to do, in another thread; None if there is nothing after a wait. It raises nothing."""

    def stop(self) -> None:
        """End a wait of `next`, if that can be."""

    def close(self) -> None:
        """`next` is not called any more."""


class Consumer:
    def __init__(
        self,
        source: Source,
        runner: JobRunner,
        heartbeat: Heartbeat,
        database_clock: Callable[[], float],
        policy: ConsumerPolicy,
        besides: Sequence[Besides] = (),
    ) -> None:
        """`database_clock` is only used as a ping: does the database answer?"""
        self._besides = besides
        self._source = source
        self._runner = runner
        self._heartbeat = heartbeat
        self._database_clock = database_clock
        self._policy = policy
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
        self._source.stop()

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
        self._source.stop()
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
            work = self._source.next()
            if work is None:
                self._free_slots.release()
            else:
                self._pool.submit(work).add_done_callback(self._slot_is_free)
        self._source.close()

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
            log.error("a job was not settled and will be claimed again: %s", error, exc_info=error)


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
