"""A loopback HTTP proxy that does to requests what a rule says: the faults of a network and of a service behind it."""

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

OWN = ("expect", "content-length")  # http.client sets the length of what is sent on
HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive")
TIMEOUT = 60.0


class Exchange(BaseHTTPRequestHandler):
    """One connection of a client; its requests are read lazily, so that a rule may cut one in its body."""

    protocol_version = "HTTP/1.1"
    server: Proxy
    _body: bytes | None = None

    def body(self) -> bytes:
        if self._body is None:
            self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return self._body

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """The answer of the service behind."""
        connection = http.client.HTTPConnection(LOOPBACK, self.server.upstream, timeout=TIMEOUT)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
            connection.request(self.command, self.path, self.server.amend(self.body()), headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self) -> None:
        """End the connection here and now, as a reset."""
        self.close_connection = True
        linger = b"\x01\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def handle_one_request(self) -> None:
        self._body = None
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True  # either side has gone

    def _any(self) -> None:
        (self.server.rule or PASS).perform(self)
        self.close_connection = self.close_connection or self._body is None  # what was not read would be taken for more

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any

    def log_message(self, *_: Any) -> None:
        """Nothing: the services have their own logs."""


class Rule:
    """What befalls each request; this one: nothing."""

    def perform(self, exchange: Exchange) -> None:
        pass_on(exchange)


PASS = Rule()


def pass_on(exchange: Exchange) -> None:
    try:
        exchange.answer(*exchange.forward())
    except (ConnectionError, http.client.HTTPException):
        exchange.body()
        exchange.cut()  # the service behind is down: so is what the client sees


@dataclass(frozen=True)
class Sometimes(Rule):
    """`action` for those requests `befalls` says yes to."""

    befalls: Callable[[Exchange], bool]
    action: Callable[[Exchange], None]

    def perform(self, exchange: Exchange) -> None:
        (self.action if self.befalls(exchange) else pass_on)(exchange)


def answers(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Callable[[Exchange], None]:
    """An answer of the proxy's own; the service never sees the request."""

    def action(exchange: Exchange) -> None:
        exchange.body()
        exchange.answer(status, list((headers or {}).items()), body)

    return action


def cut_request(exchange: Exchange) -> None:
    """The connection breaks while the request's body is under way."""
    exchange.rfile.read(int(exchange.headers.get("Content-Length") or 0) // 2)
    exchange.cut()


def cut_answer(exchange: Exchange) -> None:
    """It happened, but whoever asked is never told."""
    exchange.forward()
    exchange.cut()


def stalled(seconds: float) -> Callable[[Exchange], None]:
    def action(exchange: Exchange) -> None:
        time.sleep(seconds)
        pass_on(exchange)

    return action


class Proxy(ThreadingHTTPServer):
    """Listens until closed; `rule` may change at any time, `down` refuses every connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream: int, amend: Callable[[bytes], bytes] = bytes) -> None:
        """`amend` changes the bodies of what is passed on."""
        super().__init__((LOOPBACK, 0), Exchange)
        self.upstream = upstream
        self.amend = amend
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
        """Nothing: broken connections are what this is for."""
