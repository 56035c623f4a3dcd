"""From a message to a claimed job, and what becomes of a message that brings none.

There are as many messages as jobs that are due or held, so a message is deleted only with its job, or when no job is
due.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from chalicelib import job_message
from chalicelib.job_message import Claim, JobMessage
from chalicelib.job_queue import JobQueue, Message
from chalicelib.stores.job_row import Job
from workers.runtime.next_job import NextJob
from workers.runtime.policy import ConsumerPolicy

log = logging.getLogger(__name__)


class ClaimByMessage:
    def __init__(
        self, next_job: NextJob, queue: JobQueue, policy: ConsumerPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._next = next_job
        self._queue = queue
        self._policy = policy
        self._clock = clock

    def claim(self, message: Message, stopping: threading.Event) -> Job | None:
        """Claim the next job; None if there is none, or no place for one, and then the message is settled."""
        try:
            reference = job_message.decode(message.body)
        except job_message.NewerVersion as error:
            log.warning("Leaving the message for a newer worker: %s", error)
            return None
        if reference is None:
            self._queue.delete(message.receipt)  # this system did not send it
            return None
        until = self._clock() + self._policy.hold_message
        while not stopping.is_set():
            if job := self._next.claim():
                return job
            if not self._next.any_due():
                self._nothing_is_due(message, Claim(*reference))
                return None
            if self._clock() >= until:
                self._pass_on(message, Claim(*reference))
                return None
            self._next.wait_for_place(self._policy.look_for_small)
        self._queue.extend([message.receipt], 0)
        return None

    def _nothing_is_due(self, message: Message, reference: Claim) -> None:
        """Delete the message, unless its own job is due so soon that only the clocks differ."""
        wait = self._next.seconds_until_due(reference)
        if wait is not None and wait <= self._policy.early:
            self._queue.extend([message.receipt], max(1, math.ceil(wait)))
        else:
            self._queue.delete(message.receipt)

    def _pass_on(self, message: Message, reference: Claim) -> None:
        """Send the message again: another worker may have a place. Each receive counts towards the dead letters."""
        again = JobMessage(*reference, f"job-{reference.job_id}")
        if self._queue.send([again]):
            self._queue.extend([message.receipt], 0)
        else:
            self._queue.delete(message.receipt)
