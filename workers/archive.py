"""The archive's HTTP interface: state of a file, recall, read; every wait has a time-out.

Invariants: an answer that may be better next time is ArchiveUnavailable, one that will not be is ArchiveRefused; an id
is one quoted segment of the URL; nothing the archive sends is trusted, followed or passed on: it goes to the log.
Shared by all threads of a worker, which it bounds.
"""

from __future__ import annotations

import datetime
import http.client
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal
from urllib.parse import quote, urlsplit

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive_connections import BROKEN, Connections

Media = Literal["disk", "tape"]

NANOSECONDS = 10**9
TOO_BIG = 1 << 63
LONGEST_NUMBER = 40
LONGEST_COMPLAINT = 4096
#: 4xx that say "later", not "no".
LATER = (408, 425, 429)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileStatus:
    size: int
    mtime_ns: int
    media: Media


class Archive:
    def __init__(self, url: str, *, concurrency: int, connect_timeout: float, read_timeout: float) -> None:
        """`concurrency`: requests under way at once. `read_timeout`: the longest wait for the next bytes."""
        connections = partial(Connections, url, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._connections = connections(concurrency=concurrency)
        # Apart, so that transfers under way never make a living archive look dead.
        self._probes = connections(concurrency=concurrency)
        self._root = urlsplit(url).path.rstrip("/") + "/"

    def status(self, archive_id: str) -> FileStatus:
        """Size, mtime and media of a file. Raises ArchiveUnavailable, ArchiveRefused."""
        with self._exchange("HEAD", self._target(archive_id), (200, 204)) as response:
            response.read()
            return _status(response)

    def recall(self, archive_id: str) -> None:
        """Ask for a file to be brought online; asking again does no harm. Raises as `status`.

        Some archives answer only when the file is online: a time-out does not say that the recall failed.
        """
        with self._exchange("POST", self._target(archive_id), (200, 201, 202, 204)) as response:
            try:
                response.read(LONGEST_COMPLAINT)
            except BROKEN as error:
                raise self._connections.explained(error) from error

    @contextmanager
    def read(self, archive_id: str, *, start: int = 0, stop: int | None = None) -> Iterator[ArchiveReader]:
        """The file's bytes, or those of a range (`stop` exclusive; a `start` needs one). Raises as `status`."""
        if start and stop is None:
            raise ValueError("a range needs its stop")
        byte_range = "" if stop is None else f"?byte_range={start}-{stop}"
        with self._exchange("GET", self._target(archive_id) + byte_range, (200,)) as response:
            _check_encodings(response)
            yield ArchiveReader(response, self._connections)

    def alive(self) -> bool:
        """Whether `GET /` answers 200 within the time-outs."""
        try:
            with self._probes.exchange("GET", self._root) as response:
                return response.status == http.client.OK
        except ArchiveUnavailable:
            return False

    def close(self) -> None:
        """Drop all connections: requests under way raise ArchiveUnavailable at once, as do later ones."""
        self._connections.close()
        self._probes.close()

    @contextmanager
    def _exchange(self, method: str, target: str, wanted: tuple[int, ...]) -> Iterator[http.client.HTTPResponse]:
        with self._connections.exchange(method, target) as response:
            if response.status not in wanted:
                _log_complaint(response, method, target)
                raise _failure(response.status)
            yield response

    def _target(self, archive_id: str) -> str:
        if archive_id in ("", ".", ".."):
            raise ArchiveRefused("no archive has a file of this id")
        try:
            return self._root + quote(archive_id, safe="")
        except UnicodeEncodeError as error:
            raise ArchiveRefused("no archive has a file of this id") from error


class ArchiveReader:
    """The bytes of one file, as they come."""

    def __init__(self, response: http.client.HTTPResponse, connections: Connections) -> None:
        self._response = response
        self._connections = connections

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; fewer bytes only at the end, then 0. Raises ArchiveUnavailable when the answer breaks off.

        Read until 0 and the connection is kept. An answer without a length may end where its connection broke: only
        the file's size and hash tell.
        """
        try:
            count = self._response.readinto(buffer)
        except BROKEN as error:
            raise self._connections.explained(error) from error
        if not count and len(buffer) and self._response.length:
            raise ArchiveUnavailable("the archive's answer broke off")
        return count


def _status(response: http.client.HTTPResponse) -> FileStatus:
    media = response.getheader("X-Pacifica-File-Storage-Media", "")
    if media == "error":
        raise ArchiveUnavailable("archive cannot tell where it has this file")
    if media not in ("disk", "tape"):
        raise _bad_header("X-Pacifica-File-Storage-Media")
    size = response.getheader("X-Content-Length", "")
    if not (size.isascii() and size.isdigit() and len(size) < LONGEST_NUMBER and int(size) < TOO_BIG):
        raise _bad_header("X-Content-Length")
    mtime_ns = _nanoseconds(response.getheader("Last-Modified", ""))
    return FileStatus(int(size), mtime_ns, "disk" if media == "disk" else "tape")


def _nanoseconds(mtime: str) -> int:
    """Epoch seconds with a fraction, as the archive sends them, or an HTTP date."""
    try:
        seconds = Decimal(mtime[:LONGEST_NUMBER]) if mtime[:1].isdigit() else _date(mtime)
        if 0 <= seconds < TOO_BIG // NANOSECONDS:
            return int(seconds * NANOSECONDS)
    except (ValueError, TypeError, ArithmeticError):
        pass
    raise _bad_header("Last-Modified")


def _date(text: str) -> Decimal:
    moment = parsedate_to_datetime(text)
    return Decimal(int(moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()))


def _bad_header(name: str) -> ArchiveUnavailable:
    return ArchiveUnavailable(f"archive sent no valid {name}")


def _check_encodings(response: http.client.HTTPResponse) -> None:
    """What is encoded unasked may grow without bound when decoded."""
    content = response.getheader("Content-Encoding", "identity").lower()
    transfer = response.getheader("Transfer-Encoding", "chunked").lower()
    if (content, transfer) != ("identity", "chunked"):
        raise ArchiveRefused("archive sent the file in an encoding that was not asked for")


def _failure(status: int) -> ArchiveUnavailable | ArchiveRefused:
    permanent = 300 <= status < 500 and status not in LATER
    return (ArchiveRefused if permanent else ArchiveUnavailable)(f"archive answered {status}")


def _log_complaint(response: http.client.HTTPResponse, method: str, target: str) -> None:
    """Reading it also leaves the connection fit to be kept."""
    try:
        said = response.read(LONGEST_COMPLAINT)
    except BROKEN:
        said = b""
    log.info("archive answered %d to %s %s: %r", response.status, method, target, said[:300])
