"""The fuzzed targets. Each function yields a line for every violation."""

from __future__ import annotations

import gzip
import random
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, InvalidManifest
from tests.fuzz import inputs
from tests.manifests import cut, outcome, read
from workers.archive.client import ArchiveClient

TIMEOUT = 10.0  # seconds for one response
SLOW_CLIENTS = 64
BEGINS_WITHIN = 0.3  # seconds for a response to begin; an unfinished request has none
SERVED_WITHIN = 5.0  # seconds, in spite of the slow clients
STATUS = re.compile(rb"^HTTP/1\.[01] ([0-9]{3}) ")


def requests(rng: random.Random, port: int, count: int) -> Iterator[str]:
    """Send raw bytes to the API's server."""
    for number in range(count):
        sent = inputs.request(rng)
        response = _exchange(port, sent)
        status = STATUS.match(response)
        if b"Traceback" in response or b'File "/' in response:
            yield f"request {number}: a traceback went out for {sent[:200]!r}"
        if response and status is None:
            yield f"request {number}: the response is not HTTP, to {sent[:200]!r}: {response[:80]!r}"
        if status and status[1] >= b"500" and status[1] not in (b"501", b"505"):
            yield f"request {number}: {status[1].decode()} for {sent[:300]!r}"


def slow_clients(port: int) -> Iterator[str]:
    """Start requests and never finish them; another client must be served meanwhile."""
    clients = []
    for number in range(SLOW_CLIENTS):
        slow = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        slow.sendall(
            b"POST /slow HTTP/1.1\r\nHost: localhost\r\n" + (b"Content-Length: 1000\r\n\r\n{" if number % 2 else b"X-")
        )
        clients.append(slow)
    began = time.monotonic()
    response = _exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", SERVED_WITHIN)
    if not response.startswith(b"HTTP/1.1 200"):
        yield f"{SLOW_CLIENTS} slow clients block the server: no response within {time.monotonic() - began:.1f} s"
    for slow in clients:
        slow.close()


def manifests(rng: random.Random, count: int) -> Iterator[str]:
    """Parse manifests: it must accept only safe ones and refuse the others by InvalidManifest."""
    for number in range(count):
        body = inputs.manifest(rng)
        try:
            found = read(body)
        except InvalidManifest:
            continue
        except Exception as error:
            yield f"manifest {number}: {type(error).__name__} for {body[:300]!r}"
            continue
        unsafe = [entry.path for entry in found.entries if _escapes(entry.path)]
        if unsafe or _escapes(found.options.root) or "/" in found.options.root:
            yield f"manifest {number}: accepted {unsafe or found.options.root!r}"


def two_ways_in(rng: random.Random, count: int) -> Iterator[str]:
    """Read a manifest whole, in blocks, and gzipped: each must accept the same entries or name the same problems."""
    for number in range(count):
        body = inputs.manifest_lines(rng) if rng.random() < 0.4 else inputs.manifest(rng)
        packed = gzip.compress(body, 1)
        ways = (cut(body, rng.randint(1, len(body) + 1)), [packed], cut(packed, rng.randint(1, len(packed) + 1)))
        try:
            whole = outcome(body)
            if any(outcome(way) != whole for way in ways):
                yield f"manifest {number}: it depends on the way it comes: {body[:300]!r}"
        except Exception as error:
            yield f"manifest {number}: {type(error).__name__} for {body[:300]!r}"


def archive_answers(rng: random.Random, count: int) -> Iterator[str]:
    """Give the archive client broken responses: it must raise its two errors only, and in time."""
    answers = [inputs.archive_answer(rng) for _ in range(count)]
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer_all, args=[listener, answers], daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    archive = ArchiveClient(url, concurrency=1, connect_timeout=2, read_timeout=2)
    for number, answer in enumerate(answers):
        began = time.monotonic()
        try:
            _call(archive, rng.randrange(4))
        except (ArchiveRefused, ArchiveUnavailable):
            pass
        except Exception as error:
            yield f"archive answer {number}: {type(error).__name__}: {error} for {answer[:300]!r}"
        if time.monotonic() - began > TIMEOUT:
            yield f"archive answer {number}: took {time.monotonic() - began:.1f} s: {answer[:300]!r}"
    archive.close()
    listener.close()


def _call(archive: ArchiveClient, what: int) -> None:
    if what == 0:
        status = archive.status("id", _nothing)
        assert status.size >= 0
        assert status.media in ("disk", "tape")
    elif what == 1:
        assert [name for name, _ in archive.recalls(["id"], _nothing)] == ["id"]
    elif what == 2:
        [(_, content)] = archive.contents({"id": 1000}, _nothing)
        assert not isinstance(content, bytes) or len(content) <= 1001
    else:
        archive.read("id", lambda block: None, _nothing)


def _nothing() -> None:
    """The check of a job that is not stopped."""


def _answer_all(listener: socket.socket, answers: list[bytes]) -> None:
    left = iter(answers)
    with suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                peer.settimeout(TIMEOUT)
                while not peer.recv(65536).endswith(b"\r\n\r\n"):
                    pass
                peer.sendall(next(left, b""))


def _exchange(port: int, sent: bytes, timeout: float = TIMEOUT) -> bytes:
    """The response until the connection closes or pauses.

    The sending side is closed when the response has begun, so any request ends. Before that, the server would take it
    for a client that has gone.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        response = b""
        with suppress(OSError):
            connection.sendall(sent)
            select.select([connection], [], [], BEGINS_WITHIN)
            connection.shutdown(socket.SHUT_WR)
            while (block := connection.recv(65536)) and len(response) < 1 << 20:
                response += block
        return response


def _escapes(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in parts)
