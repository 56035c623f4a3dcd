"""Where a worker's jobs come from with JOB_QUEUE=database: the jobs table, when somebody wakes the worker or it looks.

It is open to wake-ups before it looks, so a job that is committed after the look wakes it. A worker that claims a job
while more are due wakes the next one, and lets it go first: jobs spread over workers.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from functools import partial

from chalicelib.waking.database_queue import DatabaseQueue
from workers.runtime.job_runner import JobRunner
from workers.runtime.lease import Lease
from workers.runtime.next_job import NextJob
from workers.runtime.policy import ConsumerPolicy

log = logging.getLogger(__name__)


class DueSource:
    def __init__(self, queue: DatabaseQueue, runner: JobRunner, next_job: NextJob, policy: ConsumerPolicy) -> None:
        self._queue = queue
        self._runner = runner
        self._next = next_job
        self._policy = policy
        self._said = ""

    def next(self) -> Callable[[], None] | None:
        """Claim the job whose turn it is; without one, sleep until there may be one."""
        if self._next.has_any_place:
            self._queue.prepare()
        else:
            self._queue.stay_awake()  # who is woken must be able to take any job
        try:
            lease = self._runner.take()
        except Exception as error:  # any error: if this thread ended, the worker would hang
            self._say(f"cannot look for jobs: {error}")
            self._runner.stopping.wait(self._policy.receive_pause)
            return None
        self._say("")
        if lease is None:
            self._queue.sleep(self._pause())
            return None
        self._queue.stay_awake()
        if self._next.more_are_due and self._queue.wake_another():
            self._runner.stopping.wait(self._policy.let_others)
        return partial(self._work, lease)

    def _pause(self) -> float:
        """Seconds until this worker looks by itself."""
        if not self._next.has_any_place:
            return self._policy.look_for_small
        times = min(self._policy.least_often, max(1.0, self._queue.sleeping() / self._policy.lookers))
        return random.uniform(*self._policy.look) * times

    def stop(self) -> None:
        self._queue.nudge()

    def close(self) -> None:
        self._queue.close()

    def _work(self, lease: Lease) -> None:
        self._runner.work(lease)

    def _say(self, what: str) -> None:
        """Once, however long it lasts."""
        if what and not self._said:
            log.warning("%s", what)
        self._said = what
