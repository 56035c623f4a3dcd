"""Sends the messages of the sweep's repairs."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.stores.unsent_jobs import UnsentJobStore


class MessageSender:
    def __init__(self, jobs: UnsentJobStore, queue: JobQueue) -> None:
        self._jobs = jobs
        self._queue = queue

    def send(self, messages: Sequence[JobMessage]) -> None:
        """Send; the jobs of messages that could not be sent are due again at once."""
        unsent = self._queue.send(messages)
        if unsent:
            self._jobs.mark_unsent(unsent)
