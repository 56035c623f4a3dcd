"""A server that answers as it is told, and an archive client that asks it: for the tests of that client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from workers.archive.client import ArchiveClient, FileStatus

GOOD_HEADERS = {
    "X-Content-Length": "11",
    "Last-Modified": "1500000000.250000",
    "X-Pacifica-File-Storage-Media": "disk",
}
STATUS = b"HTTP/1.1 204 No Content\r\n" + b"".join(
    b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in GOOD_HEADERS.items()
)
PAUSE = 0.3


class Script:
    """A server that gives each connection one answer and closes it; `requests` is what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += peer.recv(65536)
                self.requests.append(asked.decode("latin-1"))
                peer.sendall(answer)


@contextmanager
def archive_at(
    url: str, *, concurrency: int = 4, connect_timeout: float = 5.0, read_timeout: float = 5.0
) -> Iterator[ArchiveClient]:
    archive = ArchiveClient(url, concurrency=concurrency, connect_timeout=connect_timeout, read_timeout=read_timeout)
    try:
        yield archive
    finally:
        archive.close()


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[ArchiveClient, Script]]:
    script = Script(*answers)
    try:
        with archive_at(script.url) as archive:
            yield archive, script
    finally:
        script.close()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def nothing() -> None:
    """The check of a job nobody stops."""


def status_of(archive: ArchiveClient, archive_id: str = "1") -> FileStatus:
    return archive.status(archive_id, nothing)


def recall(archive: ArchiveClient, archive_id: str = "1") -> None:
    for _, error in archive.recalls([archive_id], nothing):
        if error is not None:
            raise error


def whole(archive: ArchiveClient, archive_id: str = "1", start: int = 0, stop: int | None = None) -> bytes:
    content = bytearray()
    archive.read(archive_id, content.extend, nothing, start=start, stop=stop)
    return bytes(content)
