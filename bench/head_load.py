"""HEAD load generator: `python -m bench.head_load URL CONNECTIONS REQUESTS [AUTHORIZATION]`, on keep-alive connections.

It runs in its own process, one event loop over raw sockets, so that the client costs little and costs the same for
every server. Prints JSON: per_second, median_ms, p99_ms, failed.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

END = b"\r\n\r\n"
GOOD = (b" 200 ", b" 204 ")
TIMEOUT = 30.0


@dataclass(slots=True)
class Tally:
    left: int
    latencies: list[float] = field(default_factory=list)
    failed: int = 0


class Connection:
    """One connection with at most one request in flight."""

    def __init__(self, address: tuple[str, int], request: bytes, tally: Tally) -> None:
        self._address = address
        self._request = request
        self._tally = tally
        self._received = b""
        self.socket = self._connect()

    def send(self) -> bool:
        """Send the next request; False when none is left."""
        if not self._tally.left:
            return False
        self._tally.left -= 1
        self._received = b""
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)
        return True

    def receive(self) -> bool:
        """Read what has arrived; True when the response is complete. Raises ConnectionError when the server closes."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        self._received += data
        if not self._received.endswith(END):
            return False
        self._tally.latencies.append(time.perf_counter() - self._sent_at)
        self._tally.failed += not any(good in self._received[:20] for good in GOOD)
        if b"connection: close" in self._received.lower():
            self.reconnect()
        return True

    def reconnect(self) -> None:
        self.socket.close()
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def main(arguments: Sequence[str]) -> None:
    url, count, requests = urlsplit(arguments[0]), int(arguments[1]), int(arguments[2])
    login = "".join(f"Authorization: {header}\r\n" for header in arguments[3:4])
    request = f"HEAD {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: keep-alive\r\n{login}\r\n".encode()
    tally = Tally(requests)
    address = (url.hostname or "", url.port or 80)
    connections = [Connection(address, request, tally) for _ in range(count)]
    began = time.perf_counter()
    _run(connections, tally)
    seconds = time.perf_counter() - began
    json.dump(_figures(tally, seconds), sys.stdout)


def _run(connections: Sequence[Connection], tally: Tally) -> None:
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if connection.send():
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise TimeoutError(f"no answer for {TIMEOUT:.0f} s")
            for key, _ in ready:
                _on_readable(selector, key.data, tally)


def _on_readable(selector: selectors.BaseSelector, connection: Connection, tally: Tally) -> None:
    before = connection.socket
    try:
        complete = connection.receive()
    except OSError:
        tally.failed += 1
        connection.reconnect()
        complete = True
    if not complete:
        return
    more = connection.send()
    if connection.socket is not before or not more:
        selector.unregister(before)
        if more:
            selector.register(connection.socket, selectors.EVENT_READ, connection)


def _figures(tally: Tally, seconds: float) -> dict[str, float]:
    ordered = sorted(tally.latencies) or [0.0]
    return {
        "per_second": len(tally.latencies) / seconds,
        "median_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
        "failed": tally.failed,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
