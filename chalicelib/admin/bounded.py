"""Work with a time limit: whatever hangs, a command ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TookTooLong(Exception):
    """The work has not ended in time. Its thread is left behind, and does not keep the process from ending."""


class Bounded(Generic[T]):
    """Work that has begun, in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._started = time.monotonic()
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> T:
        """What the work returns, at most `seconds` after its start. Raises what it raises, and TookTooLong."""
        self._thread.join(max(0.0, self._started + seconds - time.monotonic()))
        if self._thread.is_alive():
            self.seconds = time.monotonic() - self._started
            raise TookTooLong
        if self._error is not None:
            raise self._error
        return self._done[0]

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:
            self._error = error
        self.seconds = time.monotonic() - self._started


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns. Raises what it raises, and TookTooLong after so many seconds."""
    return Bounded(work).result(seconds)
