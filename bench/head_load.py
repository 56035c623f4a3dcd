"""`python -m bench.hammer URL CONNECTIONS REQUESTS`: HEAD on kept connections as fast as the server answers.

One process of its own, one loop over raw sockets, so that the client costs little and every server the same. Prints
JSON: per_second, median_ms, p99_ms, failed.
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
SILENCE = 30.0


@dataclass(slots=True)
class Tally:
    left: int
    latencies: list[float] = field(default_factory=list)
    failed: int = 0


class Line:
    """One connection with one request under way."""

    def __init__(self, address: tuple[str, int], request: bytes, tally: Tally) -> None:
        self._address = address
        self._request = request
        self._tally = tally
        self._said = b""
        self.socket = self._connect()

    def ask(self) -> bool:
        """Send the next request; False when there is none left."""
        if not self._tally.left:
            return False
        self._tally.left -= 1
        self._said = b""
        self._asked = time.perf_counter()
        self.socket.sendall(self._request)
        return True

    def hear(self) -> bool:
        """Take what has come; True when that ends the answer. Raises ConnectionError when the server hung up."""
        came = self.socket.recv(1 << 16)
        if not came:
            raise ConnectionResetError
        self._said += came
        if not self._said.endswith(END):
            return False
        self._tally.latencies.append(time.perf_counter() - self._asked)
        self._tally.failed += not any(good in self._said[:20] for good in GOOD)
        if b"connection: close" in self._said.lower():
            self.again()
        return True

    def again(self) -> None:
        """A new connection in place of one that ended."""
        self.socket.close()
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=SILENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def main(arguments: Sequence[str]) -> None:
    url, connections, requests = urlsplit(arguments[0]), int(arguments[1]), int(arguments[2])
    request = f"HEAD {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: keep-alive\r\n\r\n".encode()
    tally = Tally(requests)
    address = (url.hostname or "", url.port or 80)
    lines = [Line(address, request, tally) for _ in range(connections)]
    began = time.perf_counter()
    _hammer(lines, tally)
    seconds = time.perf_counter() - began
    json.dump(_figures(tally, seconds), sys.stdout)


def _hammer(lines: Sequence[Line], tally: Tally) -> None:
    with selectors.DefaultSelector() as selector:
        for line in lines:
            if line.ask():
                selector.register(line.socket, selectors.EVENT_READ, line)
        while selector.get_map():
            ready = selector.select(SILENCE)
            if not ready:
                raise TimeoutError(f"no answer for {SILENCE:.0f} s")
            for key, _ in ready:
                _attend(selector, key.data, tally)


def _attend(selector: selectors.BaseSelector, line: Line, tally: Tally) -> None:
    before = line.socket
    try:
        ended = line.hear()
    except OSError:
        tally.failed += 1
        line.again()
        ended = True
    if not ended:
        return
    more = line.ask()
    if line.socket is not before or not more:
        selector.unregister(before)
        if more:
            selector.register(line.socket, selectors.EVENT_READ, line)


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
