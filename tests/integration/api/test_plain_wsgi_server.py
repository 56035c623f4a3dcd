"""The WSGI application under the standard library's server: it hands over the bare connection, which does not end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
import requests

from chalicelib.api.wsgi_adapter import Application
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.server import Server, exchange
from tests.integration.api.transports import environ

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
MIB = 1 << 20


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def api(application: Application, carts: Carter) -> Iterator[Server]:
    """It also checks that the application keeps to PEP 3333."""
    with make_server("127.0.0.1", 0, validator(application), handler_class=Quiet) as running:
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield Server(running.server_port, 0)
        running.shutdown()


def test_a_cart_is_posted_looked_at_and_deleted(api: Server) -> None:
    url = f"{api.url}/{new_uid()}"
    assert requests.post(url, data=BODY, timeout=5).status_code == 201
    assert requests.head(url, timeout=5).headers["X-Pacifica-Status"] == "waiting"
    assert requests.get(url, timeout=5).status_code == 202
    assert requests.get(f"{url}/files", timeout=5).json()["files"][0]["path"] == "a"
    assert requests.head(f"{api.url}/{new_uid()}", timeout=5).headers["X-Pacifica-Status"] == "error"
    assert requests.options(url, timeout=5).status_code == 204
    assert requests.put(url, data=BODY, timeout=5).status_code == 405
    assert requests.delete(url, timeout=5).status_code == 200


def test_a_request_without_a_body_is_answered_while_the_connection_stays_open(api: Server) -> None:
    with api.connection() as connection:
        answer, _ = exchange(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 200


@pytest.mark.parametrize("length", ["-1", "+5", "0x5", "1_0", "x", "9" * 5000])
@pytest.mark.parametrize("ends", [True, False])
def test_a_length_that_is_none_is_a_client_error(
    application: Application, carts: Carter, length: str, ends: bool
) -> None:
    before = carts.count()
    given = environ("POST", f"/{new_uid()}", BODY, {}) | {"CONTENT_LENGTH": length, "wsgi.input_terminated": ends}
    assert status_of(application, given)[:3] in ("400", "413")
    assert carts.count() == before


def test_a_chunked_body_is_refused_in_words_where_its_end_is_not_known(api: Server) -> None:
    answer = requests.post(f"{api.url}/{new_uid()}", data=iter([BODY]), timeout=5)
    assert (answer.status_code, "Content-Length" in answer.json()["message"]) == (400, True)


def test_a_body_over_the_limit_is_413(api: Server) -> None:
    assert requests.post(f"{api.url}/{new_uid()}", data=b" " * (MIB + 1), timeout=5).status_code == 413


def test_a_truncated_body_makes_no_cart(api: Server, carts: Carter) -> None:
    before = carts.count()
    with api.connection() as connection:
        connection.sendall(f"POST /{new_uid()} HTTP/1.1\r\nContent-Length: 100\r\n\r\n".encode() + BODY)
        connection.shutdown(1)
        assert connection.recv(1000).startswith(b"HTTP/1.0 400")
    assert carts.count() == before


def test_what_a_server_may_omit_is_not_needed(application: Application) -> None:
    given = environ("GET", "/", b"", {})
    for name in ("RAW_URI", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "CONTENT_LENGTH"):
        del given[name]
    assert status_of(application, given) == "200 OK"


def status_of(application: Application, given: dict[str, Any]) -> str:
    started: list[str] = []
    application(given, lambda status, _: started.append(status))
    return started[0]
