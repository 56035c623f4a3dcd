"""gunicorn worker class whose threads are not held by slow clients: `-k chalicelib.api.gunicorn_worker.Worker`.

gunicorn's own gives a connection a thread as soon as its first byte is there. This one does so when the whole head has
come, and with it a body of ordinary size; until then the connection waits in the poller, which costs no thread. A large
body has to come at some speed.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

PEEKED = 64 << 10  # bytes of a request that are waited for before it gets a thread
LARGE_WITHIN = 30.0  # seconds a larger body may take, and
SLOWEST = 64 << 10  # bytes a second beyond them
LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
EXPECTS = re.compile(rb"^expect:", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    def handle(self, conn: Any) -> Any:
        if conn.sock.fileno() >= 0 and not _is_whole(conn):
            return gthread._DEFER
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        length = int(dict(req.headers).get("CONTENT-LENGTH") or 0)
        if length <= PEEKED and "TRANSFER-ENCODING" not in dict(req.headers):
            return super().handle_request(req, conn)
        late = threading.Timer(LARGE_WITHIN + length / SLOWEST, _end, [conn.sock])
        late.daemon = True
        late.start()
        try:
            return super().handle_request(req, conn)
        finally:
            late.cancel()


def _is_whole(conn: Any) -> bool:
    """Whether what is there is worth a thread; if not, the poller is told to wake only for more."""
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return True  # a request that came in the wake of the one before
    seen, before = _peek(conn.sock), getattr(conn, "seen", None)
    # No more than before: the client has closed its side, so this is all there will be.
    if len(seen) == before or len(seen) >= PEEKED or not _incomplete(seen):
        if before is not None:
            conn.seen = None
            _wake_at(conn.sock, 1)
        return True
    conn.seen = len(seen)
    _wake_at(conn.sock, len(seen) + 1)
    return False


def _incomplete(seen: bytes) -> bool:
    head, end, body = seen.partition(b"\r\n\r\n")
    if not end:
        return True
    length = LENGTH.search(head)
    if EXPECTS.search(head):
        return False  # its body comes only when it is asked for
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


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
