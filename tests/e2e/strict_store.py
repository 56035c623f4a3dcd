"""A store in front of the real one that is as strict as S3: it refuses a signed URL with an Authorization header."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REFUSAL = b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"


@dataclass
class StrictStore:
    """`home`: of the system whose store it passes requests on to. `logins`: the Authorization headers that came."""

    home: Path
    port: int = 0
    logins: list[str] = field(default_factory=list)
    served: list[int] = field(default_factory=list)


@contextmanager
def strict_store(home: Path) -> Iterator[StrictStore]:
    store = StrictStore(home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    store.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    store: StrictStore
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "Authorization" in self.headers:
            self.store.logins.append(self.headers["Authorization"])
            self._answer(400, {}, REFUSAL)
            return
        answer = self._passed_on()
        kept = ("content-range", "content-type", "etag", "accept-ranges", "content-disposition", "last-modified")
        headers = {name: value for name, value in answer.getheaders() if name.lower() in kept}
        self._answer(answer.status, headers, answer.read())

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _passed_on(self) -> http.client.HTTPResponse:
        port = json.loads((self.store.home / "ports.json").read_text())["s3"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        kept = {name: value for name, value in self.headers.items() if name.lower() in ("host", "range", "if-range")}
        connection.putrequest(self.command, self.path, skip_host=True)  # the URL is signed for this store's address
        for name, value in kept.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.store.served.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
