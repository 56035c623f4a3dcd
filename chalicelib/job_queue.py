"""What a job queue does, whatever keeps it: SQS (aws/sqs_queue.py), or the jobs table itself (waking/). Pure.

The database is the truth. A queue only says that there is work, and a worker takes the job whose turn it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.job_message import JobMessage

BATCH = 10  # messages per call of SQS
LONGEST_DELAY = 900  # seconds; the limit of SQS


@dataclass(frozen=True, slots=True)
class Message:
    """`body`: void where the queue keeps no messages."""

    receipt: str
    body: str


class JobQueue(Protocol):
    """Thread-safe. `send` logs a fault of the queue; every other method raises QueueUnavailable."""

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        """Tell a worker of each of these jobs, which are committed, after `delay` seconds.

        Returns the messages that could not be sent; the sweep resends them.
        """

    def receive(self, most: int, wait: float, visibility: int) -> list[Message]:
        """Up to `most` messages, waiting up to `wait` seconds; others do not see them for `visibility` seconds."""

    def extend(self, receipts: Sequence[str], visibility: int) -> None:
        """Hide received messages for another `visibility` seconds; 0 gives them to other workers at once."""

    def delete(self, receipt: str) -> None: ...
