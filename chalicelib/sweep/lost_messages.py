"""Finds the jobs whose message was lost, or that have none and are due."""

from __future__ import annotations

from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.job_message import JobMessage
from chalicelib.stores.unsent_jobs import UnsentJobStore


class LostMessages:
    def __init__(self, jobs: UnsentJobStore, queue: SqsQueue, limit: int) -> None:
        """`limit`: jobs sent in one sweep."""
        self._jobs = jobs
        self._queue = queue
        self._limit = limit

    def run(self) -> list[JobMessage]:
        """The messages to send."""
        return self._jobs.take_due(self._limit, self._queue.count_messages)
