"""Client of the archive interface: metadata, recall, contents. Every wait has a timeout.

Invariants: a failure worth retrying is ArchiveUnavailable, any other is ArchiveRefused; an id is one quoted
segment of the URL; nothing the archive sends is trusted, followed or shown to clients: it goes to the log.
Shared by all threads of a worker.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import quote, urlsplit

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.curl_handle import OK, Answer, Request
from workers.archive.curl_loop import AnswerOrError
from workers.archive.transfers import Transfers

Media = Literal["disk", "tape"]
Check = Callable[[], None]
Parsed = TypeVar("Parsed")
Answers = Generator[tuple[str, Parsed | ArchiveRefused | ArchiveUnavailable], None, None]

NANOSECONDS = 10**9
TOO_BIG = 1 << 63
LONGEST_NUMBER = 40
#: 4xx that mean "later", not "no".
LATER = (408, 425, 429)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileStatus:
    size: int
    mtime_ns: int
    media: Media


class ArchiveClient:
    def __init__(self, url: str, *, concurrency: int, connect_timeout: float, read_timeout: float) -> None:
        """`concurrency`: requests in flight at once. `read_timeout`: longest wait for the next bytes, in seconds."""
        transfers = partial(Transfers, url, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._transfers = transfers(concurrency=concurrency)
        # Separate slots, so that transfers in flight never make a living archive look dead.
        self._probes = transfers(concurrency=concurrency)
        self._root = urlsplit(url).path.rstrip("/") + "/"

    def statuses(self, archive_ids: Iterable[str], check: Check) -> Answers[FileStatus]:
        """Yield size, mtime and medium of each file, in any order. `check`: see Transfers.run."""
        return self._ask(archive_ids, lambda name: Request("HEAD", self._target(name)), check, (200, 204), _status)

    def recalls(self, archive_ids: Iterable[str], check: Check) -> Answers[None]:
        """Recall each file from tape; yields None for each that was accepted. Recalling a file twice does no harm.

        Some archives answer only when the file is online, so a timeout does not mean that the recall failed.
        """
        accepted = (200, 201, 202, 204)
        return self._ask(archive_ids, lambda name: Request("POST", self._target(name)), check, accepted, _nothing)

    def contents(self, sizes: Mapping[str, int], check: Check) -> Answers[bytes]:
        """Yield the bytes of each of these small files, in any order; of a file longer than its size, one byte more."""

        def request(archive_id: str) -> Request:
            return Request("GET", self._target(archive_id), limit=sizes[archive_id] + 1)

        return self._ask(sizes, request, check, (OK,), lambda answer: answer.body)

    def read(
        self,
        archive_id: str,
        take: Callable[[memoryview], None],
        check: Check,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Pass a file's bytes to `take`, block by block, or those of a range (`stop` exclusive; `start` needs one).

        An answer without a length may end where its connection broke: check the size and the hash. Raises
        ArchiveUnavailable, ArchiveRefused, and what `take` and `check` raise.
        """
        if start and stop is None:
            raise ValueError("a range needs its stop")
        byte_range = "" if stop is None else f"?byte_range={start}-{stop}"
        request = Request("GET", self._target(archive_id) + byte_range, take=take)
        for _, answer in self._transfers.run((archive_id,), lambda name: request, check):
            error = _parsed(answer, archive_id, (OK,), _nothing)
            if error is not None:
                raise error

    def status(self, archive_id: str, check: Check) -> FileStatus:
        """As `statuses`, for one file. Raises ArchiveUnavailable, ArchiveRefused."""
        for _, answer in self.statuses((archive_id,), check):
            if isinstance(answer, FileStatus):
                return answer
            raise answer
        raise AssertionError("every file gets an answer")

    def alive(self) -> bool:
        """Whether `GET /` answers 200 within the timeouts."""
        answers = self._probes.run((self._root,), lambda root: Request("GET", root), lambda: None)
        return all(isinstance(answer, Answer) and answer.status == OK for _, answer in answers)

    def close(self) -> None:
        """End the requests in flight within a second: they raise ArchiveUnavailable, and so do later ones."""
        self._transfers.close()
        self._probes.close()

    def _ask(
        self,
        archive_ids: Iterable[str],
        request: Callable[[str], Request],
        check: Check,
        expected: tuple[int, ...],
        parse: Callable[[Answer], Parsed],
    ) -> Answers[Parsed]:
        """Yield each file's answer as `parse` reads it, or why there is none."""
        with closing(self._transfers.run(archive_ids, request, check)) as answers:
            for archive_id, answer in answers:
                yield archive_id, _parsed(answer, archive_id, expected, parse)

    def _target(self, archive_id: str) -> str:
        if archive_id in ("", ".", ".."):
            raise ArchiveRefused("invalid archive id")
        try:
            return self._root + quote(archive_id, safe="")
        except UnicodeEncodeError as error:
            raise ArchiveRefused("invalid archive id") from error


def _parsed(
    answer: AnswerOrError, archive_id: str, expected: tuple[int, ...], parse: Callable[[Answer], Parsed]
) -> Parsed | ArchiveRefused | ArchiveUnavailable:
    """The answer as `parse` reads it, if it has one of the `expected` statuses; otherwise the failure."""
    if not isinstance(answer, Answer):
        return answer
    if answer.status not in expected:
        log.info("archive answered %d for %r: %r", answer.status, archive_id, answer.body[:300])
        return _failure(answer.status)
    try:
        return parse(answer)
    except ArchiveUnavailable as error:
        return error


def _nothing(answer: Answer) -> None:
    return None


def _status(answer: Answer) -> FileStatus:
    media = answer.headers.get("x-pacifica-file-storage-media", "")
    if media == "error":
        raise ArchiveUnavailable("archive does not know where this file is")
    if media not in ("disk", "tape"):
        raise _bad_header("X-Pacifica-File-Storage-Media")
    size = answer.headers.get("x-content-length", "")
    if not (size.isascii() and size.isdigit() and len(size) < LONGEST_NUMBER and int(size) < TOO_BIG):
        raise _bad_header("X-Content-Length")
    mtime_ns = _nanoseconds(answer.headers.get("last-modified", ""))
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


def _failure(status: int) -> ArchiveUnavailable | ArchiveRefused:
    permanent = 300 <= status < 500 and status not in LATER
    return (ArchiveRefused if permanent else ArchiveUnavailable)(f"archive answered {status}")
