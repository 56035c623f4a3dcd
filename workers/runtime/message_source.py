"""Where a worker's jobs come from: a queue of messages. The job runner claims a job for each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from chalicelib.job_queue import JobQueue, Message
from workers.runtime.job_runner import JobRunner
from workers.runtime.policy import ConsumerPolicy

log = logging.getLogger(__name__)


class MessageSource:
    def __init__(
        self,
        queue: JobQueue,
        runner: JobRunner,
        policy: ConsumerPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._runner = runner
        self._policy = policy
        self._clock = clock

    def next(self) -> Callable[[], None] | None:
        """Receive one message at a time, so that jobs spread over workers (ADR 0022)."""
        began = self._clock()
        try:
            messages = self._queue.receive(1, self._policy.poll, self._policy.visibility)
        except Exception as error:  # any error: if this thread ended, the worker would hang
            log.warning("cannot receive messages: %s", error)
            messages = []
        if messages:
            return partial(self._handle, messages[0])
        if self._clock() - began < self._policy.receive_pause:
            # The receive failed, or the queue does not support long polling.
            self._runner.stopping.wait(self._policy.receive_pause)
        return None

    def stop(self) -> None:
        """A poll that is under way ends with the process."""

    def close(self) -> None: ...

    def _handle(self, message: Message) -> None:
        self._runner.handle(message)
