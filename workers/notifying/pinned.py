"""HTTP connections to addresses that were checked, whatever the host's name leads to by now.

The name still decides which certificate is accepted, and stands in the Host header. Imports urllib3, so import it
where it is used.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError


class Deadline:
    """Ends one delivery, handshake and all, when its time is over: time-outs of sockets are about silence alone."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watched:
            self._watched.close()

    def watch(self, connection: socket.socket) -> None:
        """A copy, because TLS takes over the file descriptor of the original."""
        self._watched = connection.dup()
        if self.is_over:  # it was made at the last moment
            self._end()

    def _end(self) -> None:
        self.is_over = True
        if self._watched:
            with suppress(OSError):
                self._watched.shutdown(socket.SHUT_RDWR)


def pinned_session(addresses: Sequence[str], deadline: Deadline) -> requests.Session:
    """For one delivery. `addresses`: those to connect to, tried in order."""
    session = _NoRedirects()
    session.trust_env = False  # no proxies, and no password of a .netrc
    # In place of the session's own adapters: one for `HTTPS://` would stand behind that for `https://`.
    session.adapters.clear()
    session.mount("https://", adapter := _PinnedAdapter(addresses, deadline))
    session.mount("http://", adapter)
    return session


class _NoRedirects(requests.Session):
    """With `allow_redirects=False`, requests still reads the whole body of a redirect into memory, unpacked."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _PinnedAdapter(HTTPAdapter):
    def __init__(self, addresses: Sequence[str], deadline: Deadline) -> None:
        self._addresses = tuple(addresses)
        self._deadline = deadline
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        addresses, deadline = self._addresses, self._deadline

        class Pinned(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _connected(self, addresses, deadline)

        class SecurePinned(Pinned, HTTPSConnection):
            pass

        class Pool(HTTPConnectionPool):
            ConnectionCls = Pinned

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecurePinned

        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


def _connected(connection: HTTPConnection, addresses: Sequence[str], deadline: Deadline) -> socket.socket:
    failed = "it has no address"
    for address in addresses:
        try:
            made = socket.create_connection((address, connection.port), float(connection.timeout or 0) or None)
        except OSError as error:
            failed = str(error)
            continue
        deadline.watch(made)
        return made
    raise NewConnectionError(connection, failed)
