"""Wires: TCP from one process to one service, which a fault can make swallow what is sent, in either direction.

As in a split network, nothing is closed or refused: what was sent meanwhile arrives when the split is over, as TCP
sends it again, and whoever connects hears nothing.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from infra.local.ports import LOOPBACK

BLOCK = 1 << 16
TO, BACK = "to", "back"


class Wire:
    """Listens until the process ends. `holes` are the directions that are black holes now."""

    def __init__(self, service: int) -> None:
        """`service`: its port."""
        self._service = service
        self._open = {TO: threading.Event(), BACK: threading.Event()}
        self.mend()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def split(self, directions: tuple[str, ...]) -> None:
        for direction in directions:
            self._open[direction].clear()

    def mend(self) -> None:
        for opened in self._open.values():
            opened.set()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=[near], name="wire", daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._open[TO].wait()
        try:
            far = socket.create_connection((LOOPBACK, self._service), timeout=10)
        except OSError:
            near.close()  # the service is down: so is what the process sees
            return
        far.settimeout(None)
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._carry, args=[far, near, BACK], name="wire", daemon=True).start()
        self._carry(near, far, TO)

    def _carry(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        """Until either end closes; that it closed is swallowed by a split as well."""
        with suppress(OSError):
            while block := source.recv(BLOCK):
                self._open[direction].wait()
                sink.sendall(block)
        self._open[direction].wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
