"""Sends messages that became dead letters again: the queue gave them up after 50 receives.

A message is not to blame, nor is the job that it names: workers use it for any job that is due (ADR 0028). A job that
ends its workers is given up by its own attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from chalicelib import job_message
from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.errors import QueueUnavailable
from chalicelib.job_message import JobMessage, NewerVersion
from chalicelib.job_queue import BATCH, Message
from chalicelib.stores.unsent_jobs import UnsentJobStore

log = logging.getLogger(__name__)


class DeadLetters:
    def __init__(self, queue: SqsQueue, jobs: UnsentJobStore, batches: int, hidden: int) -> None:
        """`queue`: the dead-letter queue. `batches`: receives in one sweep. `hidden`: visibility timeout in seconds."""
        self._queue = queue
        self._jobs = jobs
        self._batches = batches
        self._hidden = hidden

    def run(self) -> list[JobMessage]:
        """The messages to send."""
        messages: list[JobMessage] = []
        try:
            for message in self.messages(self._batches):
                messages.append(message)
        except QueueUnavailable as error:
            # Without "dead letter": a metric filter counts the lines that contain it.
            log.warning("cannot read or clear the dead-letter queue: %s", error)
        return messages

    def messages(self, batches: int) -> Iterator[JobMessage]:
        """Each message to send, as its letter is deleted, from up to `batches` receives. Raises QueueUnavailable."""
        for _ in range(batches):
            letters = self._queue.receive(BATCH, 0, self._hidden)
            if not letters:
                return
            for letter in letters:
                yield from self._settle(letter)

    def _settle(self, letter: Message) -> list[JobMessage]:
        try:
            decoded = job_message.decode(letter.body)
        except NewerVersion as error:
            log.warning("Leaving a dead letter for a newer sweep: %s", error)
            return []
        message = self._jobs.unclaimed(*decoded) if decoded else None
        log.warning("dead letter %r: %s", letter.body[:200], "sent again" if message else "no job waits for it")
        self._queue.delete(letter.receipt)
        return [message] if message else []


class NoDeadLetters:
    """Where the jobs table is the queue: a job that ends its workers is given up by its own attempts."""

    def run(self) -> list[JobMessage]:
        return []

    def messages(self, batches: int) -> Iterator[JobMessage]:
        return iter(())
