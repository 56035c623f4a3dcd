"""The helpers that run in containers: the health check, and `provision --every`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.local import healthcheck, provision


class StopLoop(Exception):
    """Ends an infinite loop."""


class StatusHandler(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep access logs out of the test output."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    httpd = HTTPServer(("127.0.0.1", 0), type("Handler", (StatusHandler,), {}))
    thread = threading.Thread(target=httpd.serve_forever, args=[0.01], daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (403, 0), (500, 1), (503, 1)])
def test_a_server_is_healthy_unless_its_status_is_5xx(server: HTTPServer, status: int, code: int) -> None:
    server.RequestHandlerClass.status = status  # type: ignore[attr-defined]
    assert healthcheck.main([str(server.server_port)]) == code


def test_a_server_that_does_not_listen_is_unhealthy(server: HTTPServer) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    assert healthcheck.main([str(port)]) == 1


def test_a_lost_queue_is_recreated_and_each_change_of_state_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    available = iter([True, False, True, True])
    created: list[str] = []

    def create() -> None:
        if not next(available):
            raise EndpointConnectionError(endpoint_url="http://queue:5000")
        created.append("queue")

    sleeps = iter([None, None, None])

    def sleep(_: float) -> None:
        if next(sleeps, StopLoop) is StopLoop:
            raise StopLoop

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(StopLoop):
        provision.keep_created({"queue": create}, 10.0)
    assert len(created) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["ready", "unavailable", "ready"]


def test_an_unknown_resource_is_rejected() -> None:
    with pytest.raises(SystemExit):
        provision.main(["cake"])
