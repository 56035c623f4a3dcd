"""Double of chalicelib.aws.sqs_queue.SqsQueue."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib import job_message
from chalicelib.errors import QueueUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import BATCH, LONGEST_DELAY, Message


@dataclass
class _Queued:
    body: str
    visible_at: float
    received: bool = False
    receipt: str = ""


class MemoryJobQueue:
    """`sent`: every message the queue took, with its delay in seconds. `is_down`: it does not answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._messages: list[_Queued] = []
        self._receipts = itertools.count(1)
        self.sent: list[tuple[JobMessage, float]] = []
        self.is_down = False

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        if self.is_down:
            return list(messages)
        for message in messages:
            self.put(job_message.encode(message), delay)
            self.sent.append((message, delay))
        return []

    def __len__(self) -> int:
        """All messages, visible, hidden or delayed."""
        return len(self._messages)

    def put(self, body: str, delay: float = 0) -> None:
        """Queue a message with any body."""
        self._messages.append(_Queued(body, self._clock() + min(math.ceil(delay), LONGEST_DELAY)))

    def receive(self, most: int, wait: float, visibility: int) -> list[Message]:
        """Returns at once, whatever `wait` is."""
        self._check_up()
        visible = [message for message in self._messages if message.visible_at <= self._clock()]
        received = visible[: min(most, BATCH)]
        for message in received:
            message.received = True
            message.receipt = f"receipt-{next(self._receipts)}"
            message.visible_at = self._clock() + visibility
        return [Message(message.receipt, message.body) for message in received]

    def count_messages(self) -> int:
        return 0 if self.is_down else self.depth()

    def depth(self) -> int:
        self._check_up()
        return sum(message.received or message.visible_at <= self._clock() for message in self._messages)

    def extend(self, receipts: Sequence[str], visibility: int) -> None:
        self._check_up()
        for message in self._messages:
            if message.receipt in receipts:
                message.visible_at = self._clock() + visibility

    def delete(self, receipt: str) -> None:
        self._check_up()
        self._messages = [message for message in self._messages if message.receipt != receipt]

    def _check_up(self) -> None:
        if self.is_down:
            raise QueueUnavailable("The queue did not answer (test).")
