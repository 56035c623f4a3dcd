"""A value that is computed at most once in a while, however often and by however many threads it is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

OLDEST = 3


class Cached(Generic[T]):
    """Thread-safe: while one thread computes, the others get the value before, or wait if that is OLDEST times its age.

    The time counts from the end of computing: otherwise what takes longer than that would be computed for each in turn.
    """

    def __init__(self, compute: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[float, T] | None = None

    def __call__(self) -> T:
        held = self._younger_than(OLDEST * self._seconds)
        if not self._lock.acquire(blocking=held is None) and held is not None:
            return held[1]
        try:
            held = self._younger_than(self._seconds)
            if held is None:
                value = self._compute()
                self._held = held = self._clock(), value
            return held[1]
        finally:
            self._lock.release()

    def _younger_than(self, seconds: float) -> tuple[float, T] | None:
        held = self._held
        return held if held is not None and self._clock() - held[0] <= seconds else None
