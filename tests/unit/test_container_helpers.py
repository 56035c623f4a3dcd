"""What containers run beside the product: the health check, and the maker of bucket and queues that stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.local import alive, provision


class Enough(Exception):
    """Ends what would go on for ever."""


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what is said."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    listening = HTTPServer(("127.0.0.1", 0), type("Handler", (Answering,), {}))
    thread = threading.Thread(target=listening.serve_forever, args=[0.01], daemon=True)
    thread.start()
    yield listening
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (403, 0), (500, 1), (503, 1)])
def test_a_server_is_alive_unless_it_says_it_failed(server: HTTPServer, status: int, code: int) -> None:
    server.RequestHandlerClass.status = status  # type: ignore[attr-defined]
    assert alive.main([str(server.server_port)]) == code


def test_a_server_that_does_not_listen_is_not_alive(server: HTTPServer) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    assert alive.main([str(port)]) == 1


def test_a_queue_that_went_away_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = iter([True, False, True, True])
    made: list[str] = []

    def make() -> None:
        if not next(there):
            raise EndpointConnectionError(endpoint_url="http://queue:5000")
        made.append("queue")

    sleeps = iter([None, None, None])

    def sleep(_: float) -> None:
        if next(sleeps, Enough) is Enough:
            raise Enough

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(Enough):
        provision.keep({"queue": make}, 10.0)
    assert len(made) == 3
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["there", "not there", "there"]


def test_only_what_is_known_is_made() -> None:
    with pytest.raises(SystemExit):
        provision.main(["cake"])
