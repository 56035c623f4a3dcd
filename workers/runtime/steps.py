"""When each thread that works last made a step: how a thread that hangs is noticed.

Handlers call Lease.check between any two steps, also while bytes arrive from the archive; uploads report the bytes they
send. What no time-out ends, such as a volume that does not answer, makes no steps. One object for the process, like
`counts`: pool threads belong to no job alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class _Working:
    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Step:
    """What a thread works on, and the seconds since its last step."""

    what: str
    ago: float


IDLE = Step("idle", 0.0)


class Steps:
    """Thread-safe: each thread writes its own entry only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._working: dict[int, _Working] = {}

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """This thread works on something, in words, until the context ends."""
        thread = threading.get_ident()
        before = self._working.get(thread)
        self._working[thread] = _Working(what, self._clock())
        try:
            yield
        finally:
            if before is None:
                self._working.pop(thread, None)
            else:
                before.at = self._clock()
                self._working[thread] = before

    def step(self) -> None:
        """This thread has made a step."""
        working = self._working.get(threading.get_ident())
        if working is not None:
            working.at = self._clock()

    def stalest(self) -> Step:
        """Of the threads that work, the one whose last step was made longest ago."""
        working = list(self._working.copy().values())
        if not working:
            return IDLE
        oldest = min(working, key=lambda one: one.at)
        return Step(oldest.what, max(0.0, self._clock() - oldest.at))


#: Those of this process.
steps = Steps()
