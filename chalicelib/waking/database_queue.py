"""The job queue where the jobs table itself is the queue. It keeps no messages: a wake-up is all that it sends.

No wake-up is needed: a worker that sleeps looks at the table every two seconds. So nothing is lost with one.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property

from chalicelib.job_message import JobMessage
from chalicelib.job_queue import Message
from chalicelib.waking.sleeper import Sleeper
from chalicelib.waking.wake_directory import WakeDirectory

MOST_TIMES = 1000  # of jobs that this process has deferred; the others are found by looking
WOKEN = Message("", "")


class DatabaseQueue:
    """A JobQueue. `send` may be called by any thread; one thread of a worker receives."""

    def __init__(self, directory: WakeDirectory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._times: list[float] = []  # when jobs are due that this process has deferred
        self._lock = threading.Lock()
        self._sleeps = self._is_nudged = False

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        """Wake as many sleeping workers as there are messages, or let this one look when `delay` is over."""
        if delay > 0:
            self._look_after(delay)
        elif messages:
            self._directory.wake(len(messages))
        return []

    def prepare(self) -> None:
        """Look for work between this and `sleep`: what is committed after this call wakes the worker."""
        self._sleeps = True
        self._sleeper.prepare()

    def receive(self, most: int, wait: float, visibility: int) -> list[Message]:
        """As `sleep`, for one that does nothing between two sleeps; a void message if there may be work."""
        if not self._sleeps:
            self.prepare()
        if not self.sleep(wait):
            return []
        self.prepare()
        return [WOKEN]

    def sleep(self, seconds: float) -> bool:
        """Sleep for up to `seconds`; whether there may be work. Others wake a worker that is prepared, once."""
        end = self._clock() + seconds
        while True:
            is_woken = self._sleeper.sleep(min([end, *self._times[:1]]) - self._clock())
            if self._pass_times() or self._is_nudged or is_woken:
                self._is_nudged = False
                return True
            if self._clock() >= end:
                return False

    def stay_awake(self) -> None:
        """This worker needs no wake-up: it has found work, or stops."""
        self._sleeper.wake_up()

    def wake_another(self) -> bool:
        """Let another worker look for work; whether one slept."""
        return bool(self._directory.wake())

    def sleeping(self) -> int:
        """How many workers of this machine sleep, this one among them; 1 if that is unknown."""
        try:
            return max(1, self._directory.sleeping())
        except OSError:
            return 1

    def nudge(self) -> None:
        """Let this process's worker look for work."""
        self._is_nudged = True
        if self._sleeps:
            self._sleeper.nudge()

    def extend(self, receipts: Sequence[str], visibility: int) -> None:
        """The lease hides the job. With 0, somebody gave jobs back."""
        if visibility == 0 and receipts:
            self._directory.wake(len(receipts))

    def delete(self, receipt: str) -> None:
        """There is no message."""

    def close(self) -> None:
        if self._sleeps:
            self._sleeper.close()

    def _look_after(self, delay: float) -> None:
        if not self._sleeps:
            return
        with self._lock:
            if len(self._times) < MOST_TIMES:
                heapq.heappush(self._times, self._clock() + delay)
        self._sleeper.nudge()  # its sleep may be longer

    def _pass_times(self) -> bool:
        """Whether jobs have become due that this process has deferred."""
        passed = False
        with self._lock:
            while self._times and self._times[0] <= self._clock():
                heapq.heappop(self._times)
                passed = True
        return passed

    @cached_property
    def _sleeper(self) -> Sleeper:
        return Sleeper(self._directory)
