"""A connection to the simulated archive: parses requests and executes the steps of each response in order.

HTTP/1.1 with keep-alive. A response is written as fast as the client reads it and never buffered whole.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Generator
from typing import cast

from infra.local.archive_simulator_core import End, Request, Simulator, Step, Wait
from infra.local.archive_simulator_files import Chunk

WRITE_SIZE = 256 * 1024
LARGEST_REQUEST = 4 * 1024 * 1024


class Connection(asyncio.Protocol):
    """`connections` contains this connection while it is open, so that the server can abort it when it stops."""

    def __init__(self, simulator: Simulator, connections: set[Connection]) -> None:
        self._simulator = simulator
        self._connections = connections
        self._buffer = bytearray()
        self._steps: Generator[Step, None, None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._simulator.counters.connections += 1
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._connections.discard(self)
        if self._timer:
            self._timer.cancel()
        if self._steps:
            self._steps.close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._respond()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > LARGEST_REQUEST:
            self._end(End.CLOSE)
        self._respond()

    def _respond(self) -> None:
        """Respond to the buffered requests until there is nothing to do or the connection has to wait."""
        while not (self._paused or self._timer or self._ended):
            if self._steps is None:
                request = _take_request(self._buffer)
                if request is None:
                    return
                self._steps = cast("Generator[Step, None, None]", self._simulator.answer(request))
            self._take_steps(self._steps)

    def _take_steps(self, steps: Generator[Step, None, None]) -> None:
        """Execute steps up to one full write, a wait or an end."""
        pending: list[Chunk] = []
        size = 0
        for step in steps:
            if isinstance(step, (Wait, End)):
                self._flush(pending)
                self._pause(step.seconds) if isinstance(step, Wait) else self._end(step)
                return
            pending.append(step)
            size += len(step)
            if size >= WRITE_SIZE:
                break
        else:
            self._steps = None
        self._flush(pending)

    def _flush(self, pending: list[Chunk]) -> None:
        if pending:
            self._transport.write(b"".join(pending))

    def _pause(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._continue)

    def _continue(self) -> None:
        self._timer = None
        self._respond()

    def _end(self, how: End) -> None:
        self._ended = True
        if how is End.CLOSE:
            self._transport.close()
            return
        # SO_LINGER with a zero timeout makes close() send RST.
        peer: socket.socket = self._transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _take_request(buffer: bytearray) -> Request | None:
    """Remove the first request from the buffer and return it; None if it is incomplete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = headers.get("content-length")
    size = int(length) if length and length.isdecimal() else 0
    if len(buffer) < end + 4 + size:
        return None
    body = bytes(buffer[end + 4 : end + 4 + size]) if length is not None else None
    del buffer[: end + 4 + size]
    method, _, rest = lines[0].partition(" ")
    return Request(method, rest.rpartition(" ")[0], body, headers.get("connection", "").lower() == "close")
