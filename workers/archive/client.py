"""The archive's HTTP interface: state of a file, recall, read; every wait has a time-out.

Invariants: an answer that may be better next time is ArchiveUnavailable, one that will not be is ArchiveRefused; an id
is one quoted segment of the URL; nothing the archive sends is trusted, followed or passed on: it goes to the log.
Shared by all threads of a worker, which it bounds.
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
from workers.archive.transfers import Outcome, Transfers

Media = Literal["disk", "tape"]
Check = Callable[[], None]
Told = TypeVar("Told")

NANOSECONDS = 10**9
TOO_BIG = 1 << 63
LONGEST_NUMBER = 40
#: 4xx that say "later", not "no".
LATER = (408, 425, 429)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileStatus:
    size: int
    mtime_ns: int
    media: Media


class ArchiveClient:
    def __init__(self, url: str, *, concurrency: int, connect_timeout: float, read_timeout: float) -> None:
        """`concurrency`: requests under way at once. `read_timeout`: the longest wait for the next bytes."""
        requests = partial(Transfers, url, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._requests = requests(concurrency=concurrency)
        # Apart, so that transfers under way never make a living archive look dead.
        self._probes = requests(concurrency=concurrency)
        self._root = urlsplit(url).path.rstrip("/") + "/"

    def statuses(
        self, archive_ids: Iterable[str], check: Check
    ) -> Generator[tuple[str, FileStatus | ArchiveRefused | ArchiveUnavailable], None, None]:
        """Size, mtime and media of each file, or why the archive does not say, in any order. `check`: as in `run`."""
        with closing(self._requests.run(archive_ids, lambda name: Request("HEAD", self._target(name)), check)) as asked:
            for archive_id, outcome in asked:
                yield archive_id, self._told(outcome, archive_id, (200, 204), _status)

    def recalls(
        self, archive_ids: Iterable[str], check: Check
    ) -> Generator[tuple[str, ArchiveRefused | ArchiveUnavailable | None], None, None]:
        """Ask for each file to be brought online; asking again does no harm. None where that was taken.

        Some archives answer only when the file is online: a time-out does not say that the recall failed.
        """
        with closing(self._requests.run(archive_ids, lambda name: Request("POST", self._target(name)), check)) as asked:
            for archive_id, outcome in asked:
                yield archive_id, self._told(outcome, archive_id, (200, 201, 202, 204), lambda answer: None)

    def contents(
        self, sizes: Mapping[str, int], check: Check
    ) -> Generator[tuple[str, bytes | ArchiveRefused | ArchiveUnavailable], None, None]:
        """The bytes of each of these small files, in any order; of one that has more than its size, one more."""
        with closing(
            self._requests.run(sizes, lambda name: Request("GET", self._target(name), most=sizes[name] + 1), check)
        ) as asked:
            for archive_id, outcome in asked:
                yield archive_id, self._told(outcome, archive_id, (OK,), lambda answer: answer.body)

    def read(
        self,
        archive_id: str,
        take: Callable[[memoryview], None],
        check: Check,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """A file's bytes to `take`, block by block, or those of a range (`stop` exclusive; a `start` needs one).

        An answer without a length may end where its connection broke: only the file's size and hash tell. Raises
        ArchiveUnavailable, ArchiveRefused, and what `take` and `check` raise.
        """
        if start and stop is None:
            raise ValueError("a range needs its stop")
        byte_range = "" if stop is None else f"?byte_range={start}-{stop}"
        request = Request("GET", self._target(archive_id) + byte_range, take=take)
        for _, outcome in self._requests.run((archive_id,), lambda name: request, check):
            told = self._told(outcome, archive_id, (OK,), lambda answer: None)
            if told is not None:
                raise told

    def status(self, archive_id: str, check: Check) -> FileStatus:
        """As `statuses`, of one file. Raises ArchiveUnavailable, ArchiveRefused."""
        for _, answer in self.statuses((archive_id,), check):
            if isinstance(answer, FileStatus):
                return answer
            raise answer
        raise AssertionError("each file has its answer")

    def alive(self) -> bool:
        """Whether `GET /` answers 200 within the time-outs."""
        asked = self._probes.run((self._root,), lambda root: Request("GET", root), lambda: None)
        return all(isinstance(outcome, Answer) and outcome.status == OK for _, outcome in asked)

    def close(self) -> None:
        """End requests under way within a second: they raise ArchiveUnavailable, as do later ones."""
        self._requests.close()
        self._probes.close()

    def _told(
        self, outcome: Outcome, archive_id: str, wanted: tuple[int, ...], read: Callable[[Answer], Told]
    ) -> Told | ArchiveRefused | ArchiveUnavailable:
        """What `read` makes of an answer with one of the `wanted` statuses."""
        if not isinstance(outcome, Answer):
            return outcome
        if outcome.status not in wanted:
            log.info("archive answered %d for %r: %r", outcome.status, archive_id, outcome.body[:300])
            return _failure(outcome.status)
        try:
            return read(outcome)
        except ArchiveUnavailable as error:
            return error

    def _target(self, archive_id: str) -> str:
        if archive_id in ("", ".", ".."):
            raise ArchiveRefused("no archive has a file of this id")
        try:
            return self._root + quote(archive_id, safe="")
        except UnicodeEncodeError as error:
            raise ArchiveRefused("no archive has a file of this id") from error


def _status(answer: Answer) -> FileStatus:
    media = answer.headers.get("x-pacifica-file-storage-media", "")
    if media == "error":
        raise ArchiveUnavailable("archive cannot tell where it has this file")
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
