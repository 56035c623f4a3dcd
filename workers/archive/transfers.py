"""Many requests to the archive at once, in the thread that wants their answers, by libcurl.

A small file's cost is that of its requests: without threads to switch between, and parsed in C, they cost a third of
what a thread each and Python's own HTTP cost (ADR 0021). At most so many are under way in a process, which the threads
that ask share in turn; every wait ends with a time-out; connections are kept, but not trusted for long.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

import pycurl

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.curl_handle import IDLE_LIFE, Answer, CurlHandle, Request, timed_out
from workers.archive.fair_semaphore import FairSemaphore

TICK = 1.0  # seconds between looks at whether to go on, where nothing comes
_WAITED_FOR = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}

Item = TypeVar("Item")
Outcome = Answer | ArchiveRefused | ArchiveUnavailable


class Transfers:
    """Thread-safe. `concurrency` bounds the requests under way; `read_timeout`: the longest wait for the next bytes."""

    def __init__(self, url: str, *, concurrency: int, connect_timeout: float, read_timeout: float) -> None:
        self._url = url
        self._concurrency = concurrency
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._slots = FairSemaphore(concurrency)
        self._lock = threading.Lock()
        self._idle: list[_Loop[object]] = []
        self._running = 0
        self._closed = threading.Event()

    def run(
        self, items: Iterable[Item], request: Callable[[Item], Request], check: Callable[[], None]
    ) -> Generator[tuple[Item, Outcome], None, None]:
        """Each item with the answer to its request, in any order. What `request` refuses is not asked for.

        Raises what `check` raises, which is called at least once a second, and what a request's `take` does. A thread
        asks for nothing else between two answers, and closes this where it stops early: the places of its requests are
        not free until then.
        """
        waiting, more = iter(items), True
        with self._loop() as borrowed:
            loop = cast("_Loop[Item]", borrowed)
            while more or loop.busy:
                check()
                if self._closed.is_set():
                    raise ArchiveUnavailable("the archive is not asked any more: the worker is stopping")
                while more and self._slot_for(loop):
                    try:
                        item = next(waiting)
                        loop.begin(item, request(item))
                    except StopIteration:
                        more = False
                    except ArchiveRefused as error:
                        yield item, error
                    self._release(loop, keep=more)
                outcomes = loop.ended(min(TICK, self._read_timeout), self._read_timeout)
                self._release(loop, keep=more)
                yield from outcomes

    def close(self) -> None:
        """End what is under way, within a second; nothing is asked any more."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for loop in idle:
            loop.close()

    def _slot_for(self, loop: _Loop[Item]) -> bool:
        """Take a slot for one more request: a loop that has any leaves the others their share."""
        if loop.slots > len(loop.busy):
            return True
        if loop.busy:
            free = len(loop.busy) < self._concurrency // self._running and self._slots.take()
        else:
            free = self._slots.take(TICK)
        loop.slots += free
        return free

    def _release(self, loop: _Loop[Item], *, keep: bool = False) -> None:
        """Give back the slots in which nothing is under way, but for one to `keep`, or large files would take it."""
        needed = max(keep, len(loop.busy))
        for _ in range(loop.slots - needed):
            self._slots.give_back()
        loop.slots = min(loop.slots, needed)

    @contextmanager
    def _loop(self) -> Iterator[_Loop[object]]:
        with self._lock:
            self._running += 1
        try:
            loop = self._idle_loop() or _Loop(self._url, self._connect_timeout)
            try:
                yield loop
            finally:
                try:
                    loop.drop()
                finally:
                    loop.busy.clear()
                    self._release(loop)
                self._keep(loop)
        finally:
            with self._lock:
                self._running -= 1

    def _idle_loop(self) -> _Loop[object] | None:
        """The one that was put back last; those that were idle for too long are closed."""
        with self._lock:
            old_before = time.monotonic() - IDLE_LIFE
            stale = [loop for loop in self._idle if loop.since < old_before]
            self._idle = self._idle[len(stale) :]
            loop = self._idle.pop() if self._idle else None
        for old in stale:
            old.close()
        return loop

    def _keep(self, loop: _Loop[object]) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._idle.append(loop)
                return
        loop.close()


class _Loop(Generic[Item]):
    """libcurl's connections and handles of one thread at a time; `busy` is what is under way on them.

    libcurl is told which sockets are ready: left to look by itself, it tries them all each time.
    """

    def __init__(self, url: str, connect_timeout: float) -> None:
        self._url = url
        self._connect_timeout = connect_timeout
        self._sockets = select.poll()  # of a few sockets that come and go with each request: no system call for that
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._lines: list[CurlHandle] = []
        self._due: float | None = None  # when libcurl has something to do by itself
        self._timed_at = 0.0
        self._left_at = 0.0
        self.busy: dict[pycurl.Curl, tuple[Item, CurlHandle]] = {}
        self.slots = 0
        self.since = 0.0

    def begin(self, item: Item, request: Request) -> None:
        line = self._lines.pop() if self._lines else CurlHandle(self._url, self._connect_timeout)
        line.begin(request)
        self.busy[line.curl] = item, line
        self._multi.add_handle(line.curl)

    def ended(self, tick: float, read_timeout: float) -> list[tuple[Item, Outcome]]:
        """Those that have ended, after waiting at most `tick` seconds for something to happen."""
        now = time.monotonic()
        stalled = now - self._left_at > tick
        wait = tick if self._due is None else max(0.0, min(tick, self._due - now))
        for descriptor, events in self._sockets.poll(wait * 1000 if self.busy else 0):
            self._multi.socket_action(descriptor, _ready(events))
        now = time.monotonic()
        if self._due is not None and now >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        ends = self._ends()
        if stalled:
            ends = [end for end in ends if not self._begun_again(*end)]
            for _, line in self.busy.values():
                line.heard = now
        outcomes = [self._outcome(curl, error) for curl, error in ends]
        if now - self._timed_at > tick / 2:
            self._timed_at = now
            silent = [curl for curl, (_, line) in self.busy.items() if now - line.heard > read_timeout]
            outcomes += [(self._put_back(curl)[0], timed_out(read_timeout)) for curl in silent]
        self._left_at = time.monotonic()
        return outcomes

    def drop(self) -> None:
        """Give up what is under way."""
        for curl in list(self.busy):
            self._put_back(curl)
        self.since = time.monotonic()

    def close(self) -> None:
        for line in self._lines:
            line.close()
        self._multi.close()

    def _on_socket(self, what: int, descriptor: int, multi: object, data: object) -> None:
        """libcurl wants to know when a socket is ready, or not any more."""
        if what == pycurl.POLL_REMOVE:
            self._sockets.unregister(descriptor)
        else:
            self._sockets.register(descriptor, _WAITED_FOR[what])

    def _on_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _ends(self) -> list[tuple[pycurl.Curl, int | None]]:
        _, good, bad = self._multi.info_read()
        return [*((curl, None) for curl in good), *((curl, error) for curl, error, _ in bad)]

    def _begun_again(self, curl: pycurl.Curl, error: int | None) -> bool:
        """A connection whose time ran out while nobody looked may have been there for long: it is tried anew."""
        if error != pycurl.E_OPERATION_TIMEDOUT:
            return False
        self._multi.remove_handle(curl)
        self._multi.add_handle(curl)
        return True

    def _outcome(self, curl: pycurl.Curl, error: int | None) -> tuple[Item, Outcome]:
        item, line = self._put_back(curl)
        try:
            return item, line.answer(error)
        except (ArchiveRefused, ArchiveUnavailable) as refused:
            return item, refused

    def _put_back(self, curl: pycurl.Curl) -> tuple[Item, CurlHandle]:
        """Free a handle; its connection is closed where the answer is not read to its end."""
        item, line = self.busy.pop(curl)
        self._multi.remove_handle(curl)
        self._lines.append(line)
        return item, line


def _ready(events: int) -> int:
    """What libcurl calls the events of a socket."""
    bits = 0
    if events & (select.POLLIN | select.POLLHUP):
        bits |= pycurl.CSELECT_IN
    if events & select.POLLOUT:
        bits |= pycurl.CSELECT_OUT
    if events & (select.POLLERR | select.POLLNVAL):
        bits |= pycurl.CSELECT_ERR
    return bits
