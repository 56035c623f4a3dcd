"""The API under its real servers: what only raw HTTP shows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

from tests.integration.api import server
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.server import Server, exchange

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
MIB = 1 << 20


@pytest.fixture(scope="module")
def gunicorn(variables: dict[str, str], carts: Carter) -> Iterator[Server]:
    with server.gunicorn(os.environ) as running:
        yield running


@pytest.mark.parametrize("state", ["waiting", "ready", "error", "unknown"])
def test_a_head_response_has_no_body_on_the_connection(gunicorn: Server, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    with gunicorn.connection() as connection:
        for _ in range(2):
            head, body = exchange(connection, f"HEAD /{uid} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), "HEAD")
            assert (head.getheader("X-Pacifica-Status"), body) == (state if state != "unknown" else "error", b"")
        up, body = exchange(connection, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (up.status, json.loads(body)["message"]) == (200, "Pacifica Cartd Interface Up and Running")


def test_pipelined_requests_are_answered_in_turn(gunicorn: Server, carts: Carter) -> None:
    request = f"HEAD /{carts.ready()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with gunicorn.connection() as connection:
        connection.sendall(request + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    first, _, second = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 204")
    assert second.startswith(b"HTTP/1.1 200")


def test_a_chunked_body_is_accepted(gunicorn: Server, carts: Carter) -> None:
    uid = new_uid()
    answer = requests.post(f"{gunicorn.url}/{uid}", data=iter([BODY[:10], BODY[10:]]), timeout=10)
    assert answer.status_code == 201
    assert carts.find(uid).files_total == 1


def test_a_chunked_body_over_the_limit_is_413(gunicorn: Server, carts: Carter) -> None:
    before = carts.count()
    answer = requests.post(f"{gunicorn.url}/{new_uid()}", data=(b" " * 65536 for _ in range(17)), timeout=10)
    assert (answer.status_code, str(MIB) in answer.json()["message"]) == (413, True)
    assert carts.count() == before


def test_a_body_over_the_limit_is_413_and_the_connection_still_serves(gunicorn: Server) -> None:
    with requests.Session() as session:
        assert session.post(f"{gunicorn.url}/{new_uid()}", data=b" " * (MIB + 1), timeout=10).status_code == 413
        assert session.get(gunicorn.url, timeout=10).status_code == 200


@pytest.mark.parametrize("lead", [b"GET /a\x00b", b"GET /\xff\xfe", b"GET /%", b"GET /%zz", b"GET /a b", b"G\xe9T /"])
def test_a_malformed_request_is_a_client_error(gunicorn: Server, lead: bytes) -> None:
    with gunicorn.connection() as connection:
        answer, _ = exchange(connection, lead + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert 400 <= answer.status < 500
    assert requests.get(gunicorn.url, timeout=10).status_code == 200


def test_concurrent_requests_do_not_mix(gunicorn: Server, carts: Carter) -> None:
    """Chalice stores the current request on one object; threads must not see each other's."""

    def post(number: int) -> tuple[str, str]:
        uid = f"{batch}-{number}"
        body = {"fileids": [{"id": number, "path": f"file-{number}"}], "pad": "x" * 20_000}
        with requests.Session() as session:
            assert session.post(f"{gunicorn.url}/{uid}", json=body, timeout=30).status_code == 201
            files = session.get(f"{gunicorn.url}/{uid}/files?limit={number + 1}", timeout=30).json()["files"]
        return uid, files[0]["path"]

    batch = new_uid()
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(post, range(120)))
    assert made == [(f"{batch}-{number}", f"file-{number}") for number in range(120)]


@pytest.mark.parametrize(
    "begun", [b"GET / HTTP/1.1\r\nHost: a\r\nX-", b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", b""]
)
def test_clients_that_never_finish_their_requests_do_not_block_others(gunicorn: Server, begun: bytes) -> None:
    with ExitStack() as slow:
        for _ in range(40):  # five times its threads
            slow.enter_context(gunicorn.connection()).sendall(begun)
        time.sleep(0.3)
        assert requests.get(gunicorn.url, timeout=3).status_code == 200


def test_a_request_sent_in_small_pieces_is_answered(gunicorn: Server, carts: Carter) -> None:
    uid = new_uid()
    head = f"POST /{uid} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with gunicorn.connection() as connection:
        for piece in (head[:9], head[9:-2], head[-2:], BODY[:1], BODY[1:]):
            connection.sendall(piece)
            time.sleep(0.1)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_expect_100_continue_is_answered(gunicorn: Server, carts: Carter) -> None:
    request = f"POST /{new_uid()} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with gunicorn.connection() as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("body", [b"no chunk\r\n", b"5\r\nhelloXX", b"ffffffffffffffffff\r\n", b"-1\r\n"])
def test_a_malformed_chunked_body_is_400(gunicorn: Server, method: str, body: bytes) -> None:
    head = f"{method} /{new_uid()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with gunicorn.connection() as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_half_a_request_is_ignored(gunicorn: Server) -> None:
    with gunicorn.connection() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    assert requests.get(gunicorn.url, timeout=3).status_code == 200


CURLS = (
    ["--upload-file", "{file}"],
    ["-d", "@{file}"],
    ["-X", "POST", "--data-binary", "@{file}", "-H", "Content-Type:"],
    ["-X", "POST", "-T", "-", "-H", "Transfer-Encoding: chunked"],
)


@pytest.mark.parametrize("arguments", CURLS)
def test_curl_posts_a_cart(
    gunicorn: Server, carts: Carter, tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
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
        f"{gunicorn.url}/{uid}",
    ]
    done = subprocess.run(command, input=BODY, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"message": "Cart Processing has begun"}
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
        assert session.delete(f"{running.url}/{uid}", timeout=10).status_code == 200
