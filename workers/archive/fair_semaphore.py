"""A bounded number of places, given in the order they were asked for: none is taken past somebody who waits."""

from __future__ import annotations

import threading
from collections import deque


class FairSemaphore:
    """Thread-safe."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def take(self, timeout: float = 0.0) -> bool:
        """Whether a place was to be had within `timeout` seconds."""
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return True
            if not timeout:
                return False
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait(timeout)
        with self._lock:
            if not mine.is_set():
                self._waiting.remove(mine)
            return mine.is_set()

    def give_back(self) -> None:
        """One place: to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
