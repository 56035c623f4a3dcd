"""A loopback HTTP proxy whose rule decides what happens to each request: faults of a network or of the service."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.ports import LOOPBACK

NOT_FORWARDED = ("expect", "content-length")  # http.client sets the length of the forwarded body
HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive")
TIMEOUT = 60.0


class Exchange(BaseHTTPRequestHandler):
    """A client's connection and its current request. The body is read lazily, so a rule can break off in the body."""

    protocol_version = "HTTP/1.1"
    server: Proxy
    _body: bytes | None = None

    def body(self) -> bytes:
        if self._body is None:
            self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return self._body

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send the request to the service; returns its status, headers and body."""
        connection = http.client.HTTPConnection(LOOPBACK, self.server.upstream, timeout=TIMEOUT)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
            connection.request(self.command, self.path, self.server.rewrite(self.body()), headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """Close the client's connection with a TCP reset."""
        self.close_connection = True
        linger = b"\x01\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def handle_one_request(self) -> None:
        self._body = None
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True  # either side has closed

    def _handle(self) -> None:
        (self.server.rule or Rule()).apply(self)
        self.close_connection = self.close_connection or self._body is None  # an unread body is not the next request

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def log_message(self, *_: Any) -> None:
        """Log nothing: the services have their own logs."""


class Rule:
    """Decides what happens to each request; this one relays them all."""

    def apply(self, exchange: Exchange) -> None:
        relay(exchange)


@dataclass(frozen=True)
class When(Rule):
    """Runs `action` for requests that match, and relays the others."""

    matches: Callable[[Exchange], bool]
    action: Callable[[Exchange], None]

    def apply(self, exchange: Exchange) -> None:
        (self.action if self.matches(exchange) else relay)(exchange)


def relay(exchange: Exchange) -> None:
    """Forward the request and its response; a service that is down looks down to the client."""
    try:
        exchange.respond(*exchange.forward())
    except (ConnectionError, http.client.HTTPException):
        exchange.body()
        exchange.reset()


def respond_with(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Callable[[Exchange], None]:
    """Respond without the service, which never sees the request."""

    def action(exchange: Exchange) -> None:
        exchange.body()
        exchange.respond(status, list((headers or {}).items()), body)

    return action


def reset_mid_request(exchange: Exchange) -> None:
    """Reset the connection after half of the request's body."""
    exchange.rfile.read(int(exchange.headers.get("Content-Length") or 0) // 2)
    exchange.reset()


def drop_response(exchange: Exchange) -> None:
    """Forward the request and drop the response, so that the client cannot know what happened."""
    exchange.forward()
    exchange.reset()


def delay(seconds: float) -> Callable[[Exchange], None]:
    def action(exchange: Exchange) -> None:
        time.sleep(seconds)
        relay(exchange)

    return action


class Proxy(ThreadingHTTPServer):
    """Listens until the process ends. `rule` may change at any time; while `down`, it drops every connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream: int, rewrite: Callable[[bytes], bytes] = bytes) -> None:
        """`upstream`: the service's port. `rewrite` changes the body of each forwarded request."""
        super().__init__((LOOPBACK, 0), Exchange)
        self.upstream = upstream
        self.rewrite = rewrite
        self.rule: Rule | None = None
        self.down = False
        threading.Thread(target=self.serve_forever, name="proxy", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.down

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore it: broken connections are the purpose of this proxy."""
