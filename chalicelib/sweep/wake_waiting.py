"""Wakes the first window that waits for space, and the first of each owner that waits for its limit.

A release wakes them; this is for a wake that was lost. If the first in line still has to wait, it wakes those that may
pass it.
"""

from __future__ import annotations

from chalicelib.job_message import JobMessage
from chalicelib.stores.waiting_windows import WaitingWindow, WaitingWindowStore


class WakeWaiting:
    def __init__(self, waiting: WaitingWindowStore, limit: int) -> None:
        """`limit`: windows at their owner's limit that one sweep looks at."""
        self._waiting = waiting
        self._limit = limit

    def run(self) -> list[JobMessage]:
        """The messages to send."""
        first: dict[str, WaitingWindow] = {}
        for window in self._waiting.at_limit(self._limit):
            first.setdefault(window.owner, window)
        return self._waiting.wake([*self._waiting.for_space(1), *first.values()])
