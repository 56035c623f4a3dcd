"""Clients that are slow, silent or endless, 60 of each kind: others are answered, and memory stays bounded."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psutil
import pytest
import requests

from tests.integration.api import server
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.server import Server, exchange

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
MIB = 1 << 20
CLIENTS = 60
PROMPT = 3.0  # seconds for an answer, on a busy machine; alone it takes milliseconds
GROWTH = 64 * MIB
HEAD = b"POST /slow HTTP/1.1\r\nHost: localhost\r\n"
#: What each of the clients sends before it falls silent.
KINDS = {
    "nothing": b"",
    "one byte": b"G",
    "half a head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-",
    "72 KB of an unfinished head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (72 << 10),
    "many headers of an unfinished head": b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 90,
    "Expect without a body": HEAD + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 9\r\n\r\n{",
    "a whole request and half of another": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD + b"Content-Len",
    "a whole request and half of another's body": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    + HEAD + b"Content-Length: 9\r\n\r\n{",
    "Content-Length with zeros": HEAD + b"Content-Length: 00000000000000000000100\r\n\r\n{",
    "a large declared body": HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 65536,
    "a body over any limit": HEAD + b"Content-Length: 1000000000000000000\r\n\r\n{",
    "a large chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + b" " * 65536,
    "chunks without an end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "no end after the last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Trailer: 1\r\n",
    "a body on HEAD": b"HEAD /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
}  # fmt: skip


@pytest.fixture(scope="module")
def api(variables: dict[str, str], carts: Carter) -> Iterator[Server]:
    with server.granian(os.environ) as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_do_not_delay_others(api: Server, carts: Carter, kind: str) -> None:
    before = memory(api)
    uid, ready = new_uid(), carts.ready()
    with ExitStack() as slow:
        for _ in range(CLIENTS):
            connection = slow.enter_context(api.connection())
            with suppress(OSError):  # it may be refused before all is sent
                connection.sendall(KINDS[kind])
        time.sleep(0.5)
        for _ in range(3):
            assert requests.get(api.url, timeout=PROMPT).status_code == 200
            assert requests.head(f"{api.url}/{ready}", timeout=PROMPT).status_code == 204
            assert requests.post(f"{api.url}/{uid}", data=BODY, timeout=PROMPT).status_code == 201
        assert memory(api) - before < GROWTH


def test_clients_that_drip_do_not_delay_others(api: Server) -> None:
    """They send a byte again and again: parts of a head, of a body, and chunks of one byte."""
    ends = threading.Event()

    def drip(connection: socket.socket, begin: bytes, bits: Iterator[bytes]) -> None:
        with suppress(OSError):
            connection.sendall(begin)
            while not ends.wait(0.05):
                connection.sendall(next(bits))

    kinds = (
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    )
    with ExitStack() as slow:
        for begin, bit in kinds * 20:
            connection = slow.enter_context(api.connection())
            threading.Thread(target=drip, args=[connection, begin, itertools.repeat(bit)], daemon=True).start()
        try:
            for _ in range(5):
                assert requests.get(api.url, timeout=PROMPT).status_code == 200
                time.sleep(0.2)
        finally:
            ends.set()


def test_clients_that_do_not_read_do_not_delay_others(api: Server, carts: Carter) -> None:
    entries = [{"id": str(number), "path": f"{number}-{'x' * 200}"} for number in range(10_000)]
    uid, before = carts.waiting({"fileids": entries}), memory(api)
    with ExitStack() as slow:
        for _ in range(CLIENTS):
            connection = slow.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", api.port))
            connection.sendall(f"GET /{uid}/files?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 3)
        for _ in range(5):
            assert requests.head(f"{api.url}/{uid}", timeout=PROMPT).status_code == 202
            time.sleep(0.3)
        assert memory(api) - before < 256 * MIB


def test_bodies_held_at_once_are_bounded(api: Server, carts: Carter) -> None:
    """Over the bound a large body is 503 with Retry-After, a small one is taken, and what was held is given back."""
    size = MIB - 10  # two fit, and MAX_BODY is 1 MiB
    head = HEAD + b"Content-Length: %d\r\n\r\n" % size
    with ExitStack() as slow:
        for _ in range(6):
            slow.enter_context(api.connection()).sendall(head + b" " * (size - 1))
        time.sleep(0.5)
        refused = requests.post(f"{api.url}/{new_uid()}", data=BODY.ljust(size), timeout=10)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "as many request bodies as it can" in refused.json()["message"]
        assert requests.post(f"{api.url}/{new_uid()}", data=BODY, timeout=PROMPT).status_code == 201
    for _ in range(50):  # until the server has noticed that the others are gone
        if requests.post(f"{api.url}/{new_uid()}", data=BODY.ljust(size), timeout=10).status_code == 201:
            return
        time.sleep(0.1)
    pytest.fail("what was held was not given back")


def test_a_slow_body_is_408_and_closed_at_its_deadline_and_a_slow_head_is_closed(carts: Carter) -> None:
    with server.granian(os.environ, "--http1-header-read-timeout", "2000") as api, api.connection() as head:
        head.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert head.recv(1000) == b""
        with api.connection() as body:
            body.settimeout(40)
            answer, content = exchange(body, HEAD + b"Content-Length: 9\r\n\r\n{", "POST")
            assert answer.status == 408
            assert "did not arrive in time" in json.loads(content)["message"]
            assert body.recv(1) == b""


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("body", [b"no chunk\r\n", b"5\r\nhelloXX", b"ffffffffffffffffff\r\n", b"-1\r\n"])
def test_a_malformed_chunked_body_is_400(api: Server, method: str, body: bytes) -> None:
    head = f"{method} /{new_uid()} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with api.connection() as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_chunks_of_one_byte_hold_up_nobody(api: Server) -> None:
    """A chunk costs the server as much as a large block. It may join some before the application sees them.

    On a busy machine the deadline of the body may come before the bound on its chunks.
    """
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with api.connection() as connection, suppress(OSError):
        connection.sendall(head + b"1\r\n \r\n" * 200_000)
    with api.connection() as connection:
        connection.settimeout(60)
        connection.sendall(head + b"1\r\n \r\n" * 12_000 + b"0\r\n\r\n")
        assert requests.get(api.url, timeout=PROMPT).status_code == 200
        assert connection.recv(4000).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))


def test_a_chunked_request_with_a_trailer_is_taken(api: Server, carts: Carter) -> None:
    uid = new_uid()
    request = (
        f"POST /{uid} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n".encode()
    )
    request += b"%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(BODY), BODY)
    with api.connection() as connection:
        answer, _ = exchange(connection, request, "POST")
        assert answer.status == 201
        assert carts.find(uid).files_total == 1
        again, _ = exchange(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert again.status == 200, "the trailer is not the next request"


def memory(api: Server) -> int:
    """Bytes of RAM of the server's processes."""
    process = psutil.Process(api.pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
