"""A TCP relay between one process and one service that can hold back traffic in either direction.

It behaves like a network partition: nothing is closed or refused. Data sent during the partition arrives after it, as
TCP retransmits it, and a new connection gets no response until then.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from infra.local.ports import LOOPBACK

BLOCK = 1 << 16
REQUESTS, RESPONSES = "requests", "responses"


class TcpRelay:
    """Listens until the process ends."""

    def __init__(self, service: int) -> None:
        """`service`: the service's port."""
        self._service = service
        self._open = {REQUESTS: threading.Event(), RESPONSES: threading.Event()}
        self.unblock()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        threading.Thread(target=self._accept, name="tcp-relay", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def block(self, directions: tuple[str, ...]) -> None:
        for direction in directions:
            self._open[direction].clear()

    def unblock(self) -> None:
        for is_open in self._open.values():
            is_open.set()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=[client], name="tcp-relay", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._open[REQUESTS].wait()
        try:
            service = socket.create_connection((LOOPBACK, self._service), timeout=10)
        except OSError:
            client.close()  # the service is down, so the client sees a closed connection
            return
        service.settimeout(None)
        for end in (client, service):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._copy, args=[service, client, RESPONSES], name="tcp-relay", daemon=True)
        back.start()
        self._copy(client, service, REQUESTS)

    def _copy(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        """Copies until either end closes; a partition holds back the close as well."""
        with suppress(OSError):
            while block := source.recv(BLOCK):
                self._open[direction].wait()
                sink.sendall(block)
        self._open[direction].wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
