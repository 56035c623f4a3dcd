"""A server with scripted responses and an archive client connected to it, for the tests of that client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus

GOOD_HEADERS = {
    "X-Content-Length": "11",
    "Last-Modified": "1500000000.250000",
    "X-Pacifica-File-Storage-Media": "disk",
}
STATUS = b"HTTP/1.1 204 No Content\r\n" + b"".join(
    b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in GOOD_HEADERS.items()
)
SHORT_TIMEOUT = 0.3


class ScriptedServer:
    """Sends one response to each connection and closes it. `requests` holds the requests it received."""

    def __init__(self, *responses: bytes) -> None:
        self.requests: list[str] = []
        self._responses = responses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up `accept`
        self._listener.close()

    def _serve(self) -> None:
        for response_bytes in self._responses:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += peer.recv(65536)
                self.requests.append(request.decode("latin-1"))
                peer.sendall(response_bytes)


@contextmanager
def archive_at(
    url: str,
    *,
    concurrency: int = 4,
    connect_timeout: float = 5.0,
    read_timeout: float = 5.0,
    min_rate: int = 0,
) -> Iterator[ArchiveClient]:
    archive = ArchiveClient(
        url, concurrency=concurrency, connect_timeout=connect_timeout, read_timeout=read_timeout, min_rate=min_rate
    )
    try:
        yield archive
    finally:
        archive.close()


@contextmanager
def scripted_archive(*responses: bytes) -> Iterator[tuple[ArchiveClient, ScriptedServer]]:
    server = ScriptedServer(*responses)
    try:
        with archive_at(server.url) as archive:
            yield archive, server
    finally:
        server.close()


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a response; an underscore in a header's name becomes a hyphen."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def status_with(header: str, value: str | None) -> bytes:
    """A good answer to HEAD but for one header; None leaves it out."""
    headers = {**GOOD_HEADERS, header: value}
    lines = [f"{name}: {content}" for name, content in headers.items() if content is not None]
    return "\r\n".join(["HTTP/1.1 204 No Content", *lines, "", ""]).encode("latin-1")


def nothing() -> None:
    """A `check` that never stops the job."""


def status_of(archive: ArchiveClient, archive_id: str = "1") -> FileStatus:
    return archive.status(archive_id, nothing)


def recall(archive: ArchiveClient, archive_id: str = "1") -> None:
    for _, error in archive.recalls([archive_id], nothing):
        if error is not None:
            raise error


def whole(archive: ArchiveClient, archive_id: str = "1", start: int = 0, stop: int | None = None) -> bytes:
    """The file's content, or the given range of it."""
    content = bytearray()
    archive.read(archive_id, content.extend, nothing, start=start, stop=stop)
    return bytes(content)
