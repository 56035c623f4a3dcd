"""The idle connections of one loop: is one as its last answer left it?

HTTP does not say which answer belongs to which request: whatever comes next on a connection is taken for the answer to
the next request, even if it came before that was sent.
"""

from __future__ import annotations

import select


class IdleConnections:
    """By local port, which libcurl names just before it sends a request."""

    def __init__(self) -> None:
        self._sockets: dict[int, int | None] = {}
        self._polls: dict[int, select.poll] = {}  # each of one socket; kept, because each request needs one

    def keep(self, port: int, descriptor: int, *, trusted: bool) -> None:
        """An answer has ended on this connection. If not `trusted`, it is not used again."""
        self._sockets[port] = descriptor if trusted else None

    def take(self, port: int) -> bool:
        """Whether nothing has come on this connection since its last answer. A new connection is clean."""
        if port not in self._sockets:
            return True
        descriptor = self._sockets.pop(port)
        if descriptor is not None and not self._is_readable(descriptor):
            return True
        self._sockets[port] = None
        return False

    def _is_readable(self, descriptor: int) -> bool:
        """Whether bytes have come, or the other side has closed the connection."""
        if descriptor not in self._polls:
            self._polls[descriptor] = select.poll()
            self._polls[descriptor].register(descriptor, select.POLLIN)
        return bool(self._polls[descriptor].poll(0))
