"""Kept connections to the archive: at most so many at once, each wait bounded by a time-out.

http.client, because per file (HEAD and GET of 10 KB) it costs half the CPU of urllib3 (measured: 120 us, 245 us)
and reads straight into the caller's buffer. Whatever breaks on the way is ArchiveUnavailable.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalicelib.errors import ArchiveTimedOut, ArchiveUnavailable

#: An idle connection older than this may have been dropped silently on the way: asking on it would cost a time-out.
IDLE_LIFE = 20.0
BROKEN = (OSError, http.client.HTTPException)


@dataclass(slots=True, eq=False)
class Line:
    connection: http.client.HTTPConnection
    sock: socket.socket
    idle_since: float = 0.0


class Connections:
    """Thread-safe. `concurrency` bounds the exchanges under way; one more waits for its turn."""

    def __init__(
        self,
        url: str,
        *,
        concurrency: int,
        connect_timeout: float,
        read_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = urlsplit(url)
        self._host = address.hostname or ""
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._port = address.port or (443 if self._tls else 80)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._clock = clock
        self._slots = threading.BoundedSemaphore(concurrency)
        self._idle: list[Line] = []
        self._busy: set[Line] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def exchange(self, method: str, target: str) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request without a body. Its connection is kept if the answer is read to its end."""
        with self._slots:
            line, response = self._answered(method, target)
            try:
                yield response
            finally:
                self._put_back(line, response)

    def explained(self, error: Exception) -> ArchiveUnavailable:
        """One of BROKEN, in words a client may see."""
        if isinstance(error, TimeoutError):
            return ArchiveTimedOut(f"archive did not answer within {self._read_timeout:g} s")
        return ArchiveUnavailable("the connection to the archive broke")

    def close(self) -> None:
        """Drop all connections; what is under way on them breaks at once."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for line in self._busy:
                with suppress(OSError):
                    line.sock.shutdown(socket.SHUT_RDWR)
        for line in idle:
            line.connection.close()

    def _answered(self, method: str, target: str) -> tuple[Line, http.client.HTTPResponse]:
        try:
            kept = self._take_idle()
            # A server may close a kept connection just as it is used again: then, and only then, ask once more.
            if kept:
                with suppress(ConnectionError):
                    return kept, self._ask(kept, method, target)
            fresh = self._open()
            return fresh, self._ask(fresh, method, target)
        except BROKEN as error:
            raise self.explained(error) from error

    def _take_idle(self) -> Line | None:
        stale: list[Line] = []
        with self._lock:
            # The last one put back is the youngest: when it is too old, the others are older still.
            if self._idle and self._clock() - self._idle[-1].idle_since > IDLE_LIFE:
                stale, self._idle = self._idle, []
            line = self._idle.pop() if self._idle else None
            if line:
                self._busy.add(line)
        for old in stale:
            old.connection.close()
        return line

    def _open(self) -> Line:
        connection = self._connection()
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise ArchiveUnavailable("cannot connect to the archive") from error
        connection.sock.settimeout(self._read_timeout)
        line = Line(connection, connection.sock)
        with self._lock:
            if not self._closed:
                self._busy.add(line)
                return line
        connection.close()
        raise ArchiveUnavailable("the archive is not asked any more: the worker is stopping")

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._connect_timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._connect_timeout, context=self._tls)

    def _ask(self, line: Line, method: str, target: str) -> http.client.HTTPResponse:
        try:
            line.connection.putrequest(method, target)  # adds Host, and Accept-Encoding: identity
            if method == "POST":
                line.connection.putheader("Content-Length", "0")
            line.connection.endheaders()
            return line.connection.getresponse()
        except BaseException:
            self._drop(line)
            raise

    def _put_back(self, line: Line, response: http.client.HTTPResponse) -> None:
        # http.client has let go of the socket already where the answer says that the connection ends with it.
        if not response.isclosed() or line.connection.sock is None:
            response.close()
            self._drop(line)
            return
        with self._lock:
            self._busy.discard(line)
            if not self._closed:
                line.idle_since = self._clock()
                self._idle.append(line)
                return
        line.connection.close()

    def _drop(self, line: Line) -> None:
        with self._lock:
            self._busy.discard(line)
        line.connection.close()
