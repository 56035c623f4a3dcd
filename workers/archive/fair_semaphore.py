"""A FIFO semaphore."""

from __future__ import annotations

import threading
from collections import deque


class FairSemaphore:
    """`threading.Semaphore` lets a newcomer overtake waiting threads; this does not. Thread-safe."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def acquire(self, timeout: float = 0.0) -> bool:
        """Whether a slot was acquired within `timeout` seconds."""
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

    def release(self) -> None:
        """Give one slot back, to the thread that has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
