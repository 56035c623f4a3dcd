"""A server that keeps its connections, and answers each request by steps: bytes to send, and pauses between them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from tests.unit.scripted_archive import response, status_with

#: Bytes, or seconds to wait.
Step = bytes | float
#: From method and id to steps.
Script = Callable[[str, str], Iterable[Step]]


class SteppingServer:
    """`connections`: how many it has accepted. `idle`: set while all steps of all requests so far are done."""

    def __init__(self, script: Script) -> None:
        self.connections = 0
        self.idle = threading.Event()
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up `accept`
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                # Otherwise a second step may leave only with the acknowledgement of the first, after the next request.
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                threading.Thread(target=self._serve, args=[peer], daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        received = b""
        with peer, suppress(OSError):
            while True:
                while b"\r\n\r\n" not in received:
                    block = peer.recv(65536)
                    if not block:
                        return
                    received += block
                head, _, received = received.partition(b"\r\n\r\n")
                self.idle.clear()
                method, target = head.decode().split()[:2]
                self._take_steps(peer, self._script(method, target.strip("/")))
                self.idle.set()
                if b"Connection: close" in head:
                    return

    def _take_steps(self, peer: socket.socket, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, bytes):
                peer.sendall(step)
            else:
                time.sleep(step)


@contextmanager
def stepping_server(script: Script) -> Iterator[SteppingServer]:
    server = SteppingServer(script)
    try:
        yield server
    finally:
        server.close()


def content_of(archive_id: str) -> bytes:
    return f"the bytes of {archive_id:>20}".encode()


def good_head(archive_id: str) -> bytes:
    return status_with("X-Content-Length", str(len(content_of(archive_id))))


def good_get(content: bytes) -> bytes:
    return response("200 OK", content, Content_Length=str(len(content)))


def honest(method: str, archive_id: str) -> bytes:
    """The answer of an archive at no fault."""
    if method == "HEAD":
        return good_head(archive_id)
    return good_get(content_of(archive_id) if method == "GET" else b"")
