"""The API under its real servers: what only raw HTTP shows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.integration.api import server
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.server import Server, exchange
from tests.programs import need

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
MIB = 1 << 20


@pytest.fixture(scope="module", params=["granian", "wsgi"])
def api(request: pytest.FixtureRequest, variables: dict[str, str], carts: Carter) -> Iterator[Server]:
    """Our server, and the WSGI application under another."""
    with server.granian(os.environ) if request.param == "granian" else server.wsgi_server(os.environ) as running:
        yield running


@pytest.mark.parametrize("state", ["waiting", "ready", "error", "unknown"])
def test_a_head_response_has_no_body_on_the_connection(api: Server, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    with api.connection() as connection:
        for _ in range(2):
            head, body = exchange(connection, f"HEAD /{uid} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), "HEAD")
            assert (head.getheader("X-Pacifica-Status"), body) == (state if state != "unknown" else "error", b"")
        up, body = exchange(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (up.status, json.loads(body)["message"]) == (200, "Pacifica Cartd Interface Up and Running")


def test_pipelined_requests_are_answered_in_turn(api: Server, carts: Carter) -> None:
    request = f"HEAD /{carts.ready()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with api.connection() as connection:
        connection.sendall(request + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    first, _, second = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 204")
    assert second.startswith(b"HTTP/1.1 200")


def test_a_chunked_body_is_accepted(api: Server, carts: Carter) -> None:
    uid = new_uid()
    answer = requests.post(f"{api.url}/{uid}", data=iter([BODY[:10], BODY[10:]]), timeout=10)
    assert answer.status_code == 201
    assert carts.find(uid).files_total == 1


def test_a_chunked_body_over_the_limit_is_413(api: Server, carts: Carter) -> None:
    before = carts.count()
    answer = requests.post(f"{api.url}/{new_uid()}", data=(b" " * 65536 for _ in range(17)), timeout=10)
    assert (answer.status_code, str(MIB) in answer.json()["message"]) == (413, True)
    assert carts.count() == before


def test_a_body_over_the_limit_is_413_and_the_connection_still_serves(api: Server) -> None:
    with requests.Session() as session:
        assert session.post(f"{api.url}/{new_uid()}", data=b" " * (MIB + 1), timeout=10).status_code == 413
        assert session.get(api.url, timeout=10).status_code == 200


@pytest.mark.parametrize("lead", [b"GET /a\x00b", b"GET /\xff\xfe", b"GET /%", b"GET /%zz", b"GET /a b", b"G\xe9T /"])
def test_a_malformed_request_is_a_client_error(api: Server, lead: bytes) -> None:
    with api.connection() as connection:
        answer, _ = exchange(connection, lead + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert 400 <= answer.status < 500
    assert requests.get(api.url, timeout=10).status_code == 200


def test_concurrent_requests_do_not_mix(api: Server, carts: Carter) -> None:
    """Chalice stores the current request on one object; threads must not see each other's."""

    def post(number: int) -> tuple[str, str]:
        uid = f"{batch}-{number}"
        body = {"fileids": [{"id": number, "path": f"file-{number}"}], "pad": "x" * 20_000}
        with requests.Session() as session:
            assert session.post(f"{api.url}/{uid}", json=body, timeout=30).status_code == 201
            files = session.get(f"{api.url}/{uid}/files?limit={number + 1}", timeout=30).json()["files"]
        return uid, files[0]["path"]

    batch = new_uid()
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(post, range(120)))
    assert made == [(f"{batch}-{number}", f"file-{number}") for number in range(120)]


def test_a_request_sent_in_small_pieces_is_answered(api: Server, carts: Carter) -> None:
    uid = new_uid()
    head = f"POST /{uid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with api.connection() as connection:
        for piece in (head[:9], head[9:-2], head[-2:], BODY[:1], BODY[1:]):
            connection.sendall(piece)
            time.sleep(0.1)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_expect_100_continue_is_answered(api: Server, carts: Carter) -> None:
    request = (
        f"POST /{new_uid()} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    with api.connection() as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_half_a_request_is_ignored(api: Server) -> None:
    with api.connection() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    assert requests.get(api.url, timeout=3).status_code == 200


CURLS = (
    ["--upload-file", "{file}"],
    ["-d", "@{file}"],
    ["-X", "POST", "--data-binary", "@{file}", "-H", "Content-Type:"],
    ["-X", "POST", "-T", "-", "-H", "Transfer-Encoding: chunked"],
)


@pytest.mark.parametrize("arguments", CURLS)
def test_curl_posts_a_cart(
    api: Server, carts: Carter, tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    need("curl")
    file = tmp_path_factory.mktemp("curl") / "foo.json"
    file.write_bytes(BODY)
    uid = new_uid()
    method = ["-X", "POST"]
    command = [
        "curl",
        "-sS",
        "-m",
        "10",
        *method,
        *(part.format(file=file) for part in arguments),
        f"{api.url}/{uid}",
    ]
    done = subprocess.run(command, input=BODY, capture_output=True, check=True)
    assert done.stdout.endswith(b"\n")
    answer = json.loads(done.stdout)
    assert (answer["message"], answer["uid"]) == ("Cart Processing has begun", uid)
    assert carts.find(uid).files_total == 1


def test_chalice_local_answers_the_same(variables: dict[str, str], carts: Carter) -> None:
    uid = new_uid()
    with server.chalice_local(os.environ) as running, requests.Session() as session:
        assert session.post(f"{running.url}/{uid}", data=BODY, timeout=10).status_code == 201
        head = session.head(f"{running.url}/{uid}", timeout=10)
        assert (head.status_code, head.headers["X-Pacifica-Status"]) == (202, "waiting")
        assert session.head(f"{running.url}/{carts.ready()}", timeout=10).status_code == 204
        assert session.get(f"{running.url}/{uid}/status", timeout=10).json()["uid"] == uid
        assert session.get(f"{running.url}/{carts.ready()}", timeout=10, allow_redirects=False).status_code == 302
        assert session.post(f"{running.url}/{uid}", data=b"{", timeout=10).status_code == 400
        methods = session.options(f"{running.url}/{uid}", timeout=10)
        assert (methods.status_code, methods.content) == (204, b"")
        assert methods.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
        assert session.delete(f"{running.url}/{uid}", timeout=10).status_code == 200
