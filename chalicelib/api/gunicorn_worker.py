"""gunicorn worker class that slow clients cannot tie up: `-k chalicelib.api.gunicorn_worker.Worker`.

gunicorn's threaded worker assigns a thread when the first byte arrives. This one waits until the whole head has
arrived, and the body if it is at most 64 KiB; until then the connection stays in the poller and uses no thread. A
larger body is cut off if it arrives too slowly.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

PEEKED = 64 << 10  # bytes of a request to wait for before it gets a thread
# A larger body may take LARGE_GRACE seconds, and one more for every LARGE_RATE bytes.
LARGE_GRACE = 30.0
LARGE_RATE = 64 << 10
LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
EXPECTS = re.compile(rb"^expect:", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    def handle(self, conn: Any) -> Any:
        if conn.sock.fileno() >= 0 and not _is_complete(conn):
            return gthread._DEFER
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        length = int(dict(req.headers).get("CONTENT-LENGTH") or 0)
        if length <= PEEKED and "TRANSFER-ENCODING" not in dict(req.headers):
            return super().handle_request(req, conn)
        timeout = threading.Timer(LARGE_GRACE + length / LARGE_RATE, _shut_down, [conn.sock])
        timeout.daemon = True
        timeout.start()
        try:
            return super().handle_request(req, conn)
        finally:
            timeout.cancel()


def _is_complete(conn: Any) -> bool:
    """Whether the request gets a thread now; if not, the poller wakes only when more of it has arrived."""
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return True  # a pipelined request
    seen, before = _peek(conn.sock), getattr(conn, "seen", None)
    # Woken without new bytes: the client has closed its side, so nothing more will arrive.
    if len(seen) == before or len(seen) >= PEEKED or not _is_partial(seen):
        if before is not None:
            conn.seen = None
            _wake_at(conn.sock, 1)
        return True
    conn.seen = len(seen)
    _wake_at(conn.sock, len(seen) + 1)
    return False


def _is_partial(seen: bytes) -> bool:
    head, end, body = seen.partition(b"\r\n\r\n")
    if not end:
        return True
    length = LENGTH.search(head)
    if EXPECTS.search(head):
        return False  # the client sends the body only after a 100 Continue
    if CHUNKED.search(head):
        return not body.endswith(b"0\r\n\r\n")
    return length is not None and len(body) < min(int(length[1]), PEEKED - len(head))


def _peek(sock: socket.socket) -> bytes:
    try:
        return sock.recv(PEEKED, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


def _wake_at(sock: socket.socket, count: int) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
