"""The calls to dependencies that a job has under way, and which of them hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalicelib.db.states import WaitsFor

Moved = Callable[[], None]


class Call:
    """One call under way. `moved_at`: when it began, or bytes moved last."""

    __slots__ = ("_calls", "moved_at", "waits_for")

    def __init__(self, calls: OpenCalls, waits_for: WaitsFor) -> None:
        self._calls = calls
        self.waits_for = waits_for
        self.moved_at = calls.clock()

    def moved(self) -> None:
        """Bytes have moved. Takes no lock: it is called for each block."""
        self.moved_at = self._calls.moved_at = self._calls.clock()


class OpenCalls:
    """Of one job. Thread-safe. `moved_at`: when bytes moved last in any of its calls, None for never."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.moved_at: float | None = None
        self._lock = threading.Lock()
        self._calls: set[Call] = set()

    @contextmanager
    def waiting_on(self, waits_for: WaitsFor) -> Iterator[Moved]:
        """Call a dependency within this context; call what it gives whenever bytes move."""
        call = Call(self, waits_for)
        with self._lock:
            self._calls.add(call)
        try:
            yield call.moved
        finally:
            with self._lock:
                self._calls.discard(call)

    def hanging(self, seconds: float) -> tuple[WaitsFor, float] | None:
        """What the call that has brought nothing for longest waits for, and how long, if that is over `seconds`.

        Calls to the database are made within others, which they hold up: while there are any, only they count.
        """
        with self._lock:
            inner = [call for call in self._calls if call.waits_for == WaitsFor.DATABASE]
            oldest = min(inner or self._calls, key=lambda call: call.moved_at, default=None)
        since = 0.0 if oldest is None else self.clock() - oldest.moved_at
        return (oldest.waits_for, since) if oldest is not None and since > seconds else None
