"""The reference policy server: docs/policy.md's contract in thirty lines, and what a bad server does instead."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]


class PolicyServer:
    """`refused`: ids that nobody may read, `refused_to`: those that an owner may not read.

    `questions` and `headers` are those of the requests so far. `misbehave`, if set, answers instead.
    """

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.refused_to: dict[str, set[str]] = {}
        self.questions: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.misbehave: Callable[[dict[str, Any]], Answer] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.headers.append(dict(self.headers.items()))
                status, body = server.answer(question)
                self.send_response(status)
                self.send_header("Location", "/elsewhere")  # which nobody may follow
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/may-read"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, question: dict[str, Any]) -> Answer:
        self.questions.append(question)
        if self.misbehave is not None:
            return self.misbehave(question)
        refused = self.refused | self.refused_to.get(question["owner"], set())
        return 200, json.dumps({"allowed": [name for name in question["ids"] if name not in refused]}).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def policy_server() -> Iterator[PolicyServer]:
    server = PolicyServer()
    try:
        yield server
    finally:
        server.close()
