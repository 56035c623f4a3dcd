"""Drives libcurl's multi interface in one thread.

We poll the sockets ourselves, because libcurl would check every one of them each time.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Generic, TypeVar

import pycurl

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.curl_handle import CurlHandle
from workers.archive.identity import Identity
from workers.archive.idle_connections import IdleConnections
from workers.archive.limits import Limits, Waiting
from workers.archive.messages import Answer, Request
from workers.archive.request_counts import count_request

_POLLED_FOR = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}

Item = TypeVar("Item")
AnswerOrError = Answer | ArchiveRefused | ArchiveUnavailable


class CurlLoop(Generic[Item]):
    """Runs many requests in the calling thread. `in_flight`: the requests under way, by libcurl handle.

    `slots` and `idle_since` belong to the caller: how many requests it may have in flight, and since when none is.
    """

    def __init__(self, url: str, limits: Limits, clock: Callable[[], float], identity: Identity) -> None:
        self._url = url
        self._limits = limits
        self._clock = clock
        self._identity = identity
        self._waiting = Waiting()
        self._idle_connections = IdleConnections()
        # Not epoll: a few sockets come and go with each request, and epoll makes a system call for each change.
        self._sockets = select.poll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._idle_handles: list[CurlHandle] = []
        self._due: float | None = None  # when libcurl wants to be called without a ready socket
        self._timeouts_checked_at = 0.0
        self._returned_at = 0.0
        self.in_flight: dict[pycurl.Curl, tuple[Item, CurlHandle]] = {}
        self.slots = 0
        self.idle_since = 0.0

    @property
    def received(self) -> int:
        """Rises with everything useful that the archive sends."""
        return self._waiting.received

    def begin(self, item: Item, request: Request) -> None:
        if self._idle_handles:
            handle = self._idle_handles.pop()
        else:
            handle = CurlHandle(
                self._url, self._limits, self._clock, self._waiting, self._idle_connections, self._identity
            )
        handle.begin(request)
        self.in_flight[handle.curl] = item, handle
        self._multi.add_handle(handle.curl)

    def completed(self, tick: float) -> list[tuple[Item, AnswerOrError]]:
        """Wait up to `tick` seconds for something to happen; return the requests that have completed since."""
        now = self._clock()
        stalled = now - self._returned_at > tick  # the caller was busy: don't count our own delay as archive silence
        wait = tick if self._due is None else max(0.0, min(tick, self._due - now))
        ready = self._sockets.poll(wait * 1000 if self.in_flight else 0)
        waited_until = self._clock()
        self._waiting.seconds += waited_until - now
        self._act(ready, waited_until)
        ends = [end for end in self._ended() if not self._begun_again(*end)]
        if stalled:
            ends = [end for end in ends if not self._restarted(*end)]
            for _, handle in self.in_flight.values():
                handle.incoming.active_at = waited_until
        completed = [self._end(curl, error) for curl, error in ends]
        if waited_until - self._timeouts_checked_at > tick / 2:
            self._timeouts_checked_at = waited_until
            late = [curl for curl, (_, handle) in self.in_flight.items() if handle.incoming.is_late(self._limits)]
            completed += [self._end_late(curl) for curl in late]
        self._returned_at = self._clock()
        return completed

    def abandon(self) -> None:
        """Abandon the requests in flight."""
        for curl in list(self.in_flight):
            self._release(curl)
        self.idle_since = self._clock()

    def close(self) -> None:
        for handle in self._idle_handles:
            handle.close()
        self._multi.close()

    def _on_socket(self, what: int, descriptor: int, multi: object, data: object) -> None:
        """libcurl asks to watch a socket, or to stop watching it."""
        if what == pycurl.POLL_REMOVE:
            self._sockets.unregister(descriptor)
        else:
            self._sockets.register(descriptor, _POLLED_FOR[what])

    def _on_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else self._clock() + milliseconds / 1000

    def _act(self, ready: list[tuple[int, int]], now: float) -> None:
        """Let libcurl read and write what it can."""
        for descriptor, events in ready:
            self._multi.socket_action(descriptor, _ready(events))
        if self._due is not None and now >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _ended(self) -> list[tuple[pycurl.Curl, int | None]]:
        _, good, bad = self._multi.info_read()
        return [*((curl, None) for curl in good), *((curl, error) for curl, error, _ in bad)]

    def _begun_again(self, curl: pycurl.Curl, error: int | None) -> bool:
        """Begin a request again whose connection was not clean. Nothing has been sent on it."""
        handle = self.in_flight[curl][1]
        if error != pycurl.E_ABORTED_BY_CALLBACK or not handle.found_dirty:
            return False
        self._multi.remove_handle(curl)
        handle.begin_again()
        self._multi.add_handle(curl)
        return True

    def _restarted(self, curl: pycurl.Curl, error: int | None) -> bool:
        """Restart a request whose connect timeout ran out while the caller was busy elsewhere."""
        if error != pycurl.E_OPERATION_TIMEDOUT:
            return False
        self._multi.remove_handle(curl)
        self._multi.add_handle(curl)
        return True

    def _end(self, curl: pycurl.Curl, error: int | None) -> tuple[Item, AnswerOrError]:
        if error is None:
            self.in_flight[curl][1].keep_connection()
        item, handle = self._release(curl)
        try:
            answer: AnswerOrError = handle.incoming.answer(error)
        except (ArchiveRefused, ArchiveUnavailable) as refused:
            answer = refused
        self._measure(handle, answer)
        return item, answer

    def _end_late(self, curl: pycurl.Curl) -> tuple[Item, AnswerOrError]:
        item, handle = self._release(curl)
        answer = handle.incoming.late_answer(self._limits)
        self._measure(handle, answer)
        return item, answer

    def _measure(self, handle: CurlHandle, answer: AnswerOrError) -> None:
        count_request(handle.method, self._clock() - handle.began_at, handle.incoming.received, answer)

    def _release(self, curl: pycurl.Curl) -> tuple[Item, CurlHandle]:
        """Free a handle. libcurl closes its connection if the answer was not read to the end."""
        item, handle = self.in_flight.pop(curl)
        self._multi.remove_handle(curl)
        self._idle_handles.append(handle)
        return item, handle


def _ready(events: int) -> int:
    """Translate poll's events into libcurl's."""
    bits = 0
    if events & (select.POLLIN | select.POLLHUP):
        bits |= pycurl.CSELECT_IN
    if events & select.POLLOUT:
        bits |= pycurl.CSELECT_OUT
    if events & (select.POLLERR | select.POLLNVAL):
        bits |= pycurl.CSELECT_ERR
    return bits
