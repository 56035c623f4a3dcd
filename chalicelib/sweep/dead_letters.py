"""Fails carts whose message became a dead letter: the queue gave it up after 50 receives without a claim."""

from __future__ import annotations

import logging

from chalicelib import job_message
from chalicelib.aws.job_queue import BATCH, JobQueue, Message
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.errors import QueueUnavailable
from chalicelib.job_message import JobMessage, NewerVersion
from chalicelib.stores.jobs import JobStore
from chalicelib.sweep.fail_cart import fail_cart

log = logging.getLogger(__name__)


class DeadLetters:
    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        jobs: JobStore,
        endings: CartEndings,
        batches: int,
        hidden: int,
    ) -> None:
        """`queue`: the dead-letter queue. `batches`: receives in one sweep. `hidden`: visibility timeout in seconds."""
        self._db = database
        self._queue = queue
        self._jobs = jobs
        self._endings = endings
        self._batches = batches
        self._hidden = hidden

    def run(self) -> list[JobMessage]:
        messages: list[JobMessage] = []
        try:
            for _ in range(self._batches):
                letters = self._queue.receive(BATCH, 0, self._hidden)
                for letter in letters:
                    messages += self._settle(letter)
                if not letters:
                    break
        except QueueUnavailable as error:
            # Without "dead letter": a metric filter counts the lines that contain it.
            log.warning("cannot read or clear the dead-letter queue: %s", error)
        return messages

    def fail_cart_of(self, job_id: int, token: int) -> list[JobMessage]:
        """Fail the job's cart, unless a worker has claimed the job since."""

        def work() -> list[JobMessage]:
            cart_id = self._jobs.lock_unclaimed(job_id, token)
            if not cart_id:
                return []
            return fail_cart(self._endings, self._jobs, cart_id, "The queue gave up on this cart's work.")

        return self._db.transaction(work)

    def _settle(self, letter: Message) -> list[JobMessage]:
        try:
            decoded = job_message.decode(letter.body)
        except NewerVersion as error:
            log.warning("Leaving a dead letter for a newer sweep: %s", error)
            return []
        messages = self.fail_cart_of(*decoded) if decoded else []
        outcome = "its cart failed" if messages else "no job waits for it"
        log.warning("dead letter %r: %s", letter.body[:200], outcome)
        self._queue.delete(letter.receipt)
        return messages
