"""What the inputs are sent to, and what must hold of each answer: no 5xx, no traceback, nothing outside its place."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, InvalidManifest
from chalicelib.manifest.reader import parse
from tests.fuzz import inputs
from workers.archive.client import ArchiveClient

PATIENCE = 10.0  # seconds an answer may take
SLOW = 64  # connections of clients that never finish their request
SERVED_WITHIN = 5.0  # seconds in which another one is
STATUS = re.compile(rb"^HTTP/1\.[01] ([0-9]{3}) ")


def requests(rng: random.Random, port: int, count: int) -> Iterator[str]:
    """Raw bytes at the API's server."""
    for number in range(count):
        sent = inputs.request(rng)
        said = _say(port, sent)
        status = STATUS.match(said)
        if b"Traceback" in said or b'File "/' in said:
            yield f"request {number}: a traceback went out for {sent[:200]!r}"
        if said and status is None:
            yield f"request {number}: no HTTP was answered to {sent[:200]!r}: {said[:80]!r}"
        if status and status[1] >= b"500" and status[1] not in (b"501", b"505"):
            yield f"request {number}: {status[1].decode()} for {sent[:300]!r}"


def slow_clients(port: int) -> Iterator[str]:
    """Clients that begin a request and never end it; others have to be served meanwhile."""
    held = []
    for number in range(SLOW):
        slow = socket.create_connection(("127.0.0.1", port), PATIENCE)
        slow.sendall(
            b"POST /slow HTTP/1.1\r\nHost: x\r\n" + (b"Content-Length: 1000\r\n\r\n{" if number % 2 else b"X-")
        )
        held.append(slow)
    began = time.monotonic()
    said = _say(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", SERVED_WITHIN)
    if not said.startswith(b"HTTP/1.1 200"):
        yield f"{SLOW} slow clients hold the server: nothing was answered within {time.monotonic() - began:.1f} s"
    for slow in held:
        slow.close()


def manifests(rng: random.Random, count: int) -> Iterator[str]:
    """The parser: what it takes must be safe, and whatever else it gets it refuses in words."""
    for number in range(count):
        body = inputs.manifest(rng)
        try:
            found = parse(body, "uid")
        except InvalidManifest:
            continue
        except Exception as error:
            yield f"manifest {number}: {type(error).__name__} for {body[:300]!r}"
            continue
        unsafe = [entry.path for entry in found.entries if _escapes(entry.path)]
        if unsafe or _escapes(found.root) or "/" in found.root:
            yield f"manifest {number}: took {unsafe or found.root!r}"


def archive_answers(rng: random.Random, count: int) -> Iterator[str]:
    """The archive's client: any answer is a status, a refusal or a failure; and never takes long."""
    answers = [inputs.archive_answer(rng) for _ in range(count)]
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer_all, args=[listener, answers], daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    archive = ArchiveClient(url, concurrency=1, connect_timeout=2, read_timeout=2)
    for number, answer in enumerate(answers):
        began = time.monotonic()
        try:
            _ask(archive, rng.randrange(4))
        except (ArchiveRefused, ArchiveUnavailable):
            pass
        except Exception as error:
            yield f"archive answer {number}: {type(error).__name__}: {error} for {answer[:300]!r}"
        if time.monotonic() - began > PATIENCE:
            yield f"archive answer {number}: took {time.monotonic() - began:.1f} s: {answer[:300]!r}"
    archive.close()
    listener.close()


def _ask(archive: ArchiveClient, what: int) -> None:
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
    """The check of a job nobody stops."""


def _answer_all(listener: socket.socket, answers: list[bytes]) -> None:
    left = iter(answers)
    with suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                peer.settimeout(PATIENCE)
                while not peer.recv(65536).endswith(b"\r\n\r\n"):
                    pass
                peer.sendall(next(left, b""))


def _say(port: int, sent: bytes, patience: float = PATIENCE) -> bytes:
    """What is answered until the connection ends or pauses; our side is shut, so an endless request ends there."""
    with socket.create_connection(("127.0.0.1", port), patience) as connection:
        said = b""
        with suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while (block := connection.recv(65536)) and len(said) < 1 << 20:
                said += block
        return said


def _escapes(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in parts)
