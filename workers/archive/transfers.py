"""Many requests to the archive at once, by libcurl, in the calling thread.

Requests dominate the cost of small files. Without a thread for each, and with HTTP parsed in C, they cost a third of
what Python's own client on threads costs (ADR 0021). The number of requests in flight is bounded per process, and
calling threads take turns. Every wait has a timeout; an idle connection is reused for up to 20 s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.curl_handle import IDLE_LIFE
from workers.archive.curl_loop import AnswerOrError, CurlLoop
from workers.archive.fair_semaphore import FairSemaphore
from workers.archive.identity import NO_IDENTITY, Identity
from workers.archive.limits import Limits
from workers.archive.messages import Request

TICK = 1.0  # seconds between calls of `check` while nothing arrives

Item = TypeVar("Item")


class Transfers:
    """Thread-safe."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        *,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
        identity: Identity = NO_IDENTITY,
    ) -> None:
        """`concurrency`: requests in flight at once."""
        self._url = url
        self._concurrency = concurrency
        self._limits = limits
        self._clock = clock
        self._identity = identity
        self._slots = FairSemaphore(concurrency)
        self._lock = threading.Lock()
        self._idle: list[CurlLoop[object]] = []
        self._running = 0
        self._closed = threading.Event()

    def run(
        self,
        items: Iterable[Item | None],
        request: Callable[[Item], Request],
        check: Callable[[], None],
        moved: Callable[[], None] = lambda: None,
    ) -> Generator[tuple[Item, AnswerOrError], None, None]:
        """Yield each item with the answer to its request, in any order. If `request` raises ArchiveRefused, yields it.

        An item that is None stands for none now: the next is asked for after the next answer. `moved` is called when
        something useful has come. Raises what `check` raises, which is called at least once a second, and what a
        request's `take` raises. The calling thread must make no other request between two answers. If you stop early,
        close the generator: its slots stay taken until then.
        """
        waiting, more = iter(items), True
        with self._loop() as borrowed:
            loop = cast("CurlLoop[Item]", borrowed)
            while more or loop.in_flight:
                check()
                if self._closed.is_set():
                    raise ArchiveUnavailable("the worker is stopping")
                while more and self._acquire_slot(loop):
                    try:
                        item = next(waiting)
                        if item is None:
                            break
                        loop.begin(item, request(item))
                    except StopIteration:
                        more = False
                    except ArchiveRefused as error:
                        assert item is not None, "what was refused is its request"
                        yield item, error
                self._release_slots(loop, keep=more)
                before = loop.received
                completed = loop.completed(min(TICK, self._limits.read_timeout))
                if loop.received != before:
                    moved()
                self._release_slots(loop, keep=more)
                yield from completed

    def close(self) -> None:
        """End the requests in flight within a second, and refuse later ones."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for loop in idle:
            loop.close()

    def _acquire_slot(self, loop: CurlLoop[Item]) -> bool:
        """Acquire a slot for one more request. A loop that already has some leaves the others their share."""
        if loop.slots > len(loop.in_flight):
            return True
        if loop.in_flight:
            acquired = len(loop.in_flight) < self._concurrency // self._running and self._slots.acquire()
        else:
            acquired = self._slots.acquire(TICK)
        loop.slots += acquired
        return acquired

    def _release_slots(self, loop: CurlLoop[Item], *, keep: bool = False) -> None:
        """Release unused slots, but `keep` one if more requests follow: a waiting large file would take it."""
        needed = max(keep, len(loop.in_flight))
        for _ in range(loop.slots - needed):
            self._slots.release()
        loop.slots = min(loop.slots, needed)

    @contextmanager
    def _loop(self) -> Iterator[CurlLoop[object]]:
        with self._lock:
            self._running += 1
        try:
            loop = self._idle_loop() or CurlLoop(self._url, self._limits, self._clock, self._identity)
            try:
                yield loop
            finally:
                try:
                    loop.abandon()
                finally:
                    loop.in_flight.clear()
                    self._release_slots(loop)
                self._keep(loop)
        finally:
            with self._lock:
                self._running -= 1

    def _idle_loop(self) -> CurlLoop[object] | None:
        """The loop that became idle last. Loops that were idle for too long are closed."""
        with self._lock:
            stale_before = self._clock() - IDLE_LIFE
            stale = [loop for loop in self._idle if loop.idle_since < stale_before]
            self._idle = self._idle[len(stale) :]
            loop = self._idle.pop() if self._idle else None
        for old in stale:
            old.close()
        return loop

    def _keep(self, loop: CurlLoop[object]) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._idle.append(loop)
                return
        loop.close()
