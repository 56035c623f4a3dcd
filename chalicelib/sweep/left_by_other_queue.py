"""Where the jobs table is the queue: makes jobs due that the queue used before has left without a message."""

from __future__ import annotations

from chalicelib.job_message import JobMessage
from chalicelib.stores.unsent_jobs import UnsentJobStore


class LeftByOtherQueue:
    def __init__(self, jobs: UnsentJobStore, limit: int) -> None:
        """`limit`: jobs in one sweep."""
        self._jobs = jobs
        self._limit = limit

    def run(self) -> list[JobMessage]:
        """The messages to send."""
        return self._jobs.take_unsent(self._limit)
