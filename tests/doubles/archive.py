"""Double of workers.archive.client.ArchiveClient: a scripted archive in memory."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.client import Answers, AnswersTo, Check, TakeRange, Watched
from workers.archive.file_status import FileStatus, Media
from workers.archive.messages import EnoughReceived

T = TypeVar("T")
Error = ArchiveRefused | ArchiveUnavailable

MTIME_NS = 1_500_000_000_000_000_000
BLOCK = 64 << 10  # bytes passed to `take` at once


@dataclass
class ArchiveFile:
    """`error` answers every request about the file; `errors` those of one method: HEAD, POST (recall) or GET."""

    content: bytes
    mtime_ns: int = MTIME_NS
    media: Media = "disk"
    error: Error | None = None
    errors: dict[str, Error] = field(default_factory=dict)
    #: bytes after which the body breaks off, once
    breaks_after: int | None = None


class MemoryArchive:
    """`files` by id. `asked`: every request about a file, as (method, id). `is_down`: nothing is answered.

    `alone`: the ids of files that were read on connections of their own, because no hash verifies them.
    `starts`: the first byte that each `read` asked for. `at_once`: ranges.

    `on_request` is called before each answer, with the file's id.
    """

    def __init__(self) -> None:
        self.files: dict[str, ArchiveFile] = {}
        self.asked: list[tuple[str, str]] = []
        self.alone: list[str] = []
        self.starts: list[int] = []
        self.at_once = 4
        self.is_down = False
        self.is_told_owners = False
        self.on_request: Callable[[str], None] = lambda archive_id: None

    def put(self, archive_id: str, content: bytes, media: Media = "disk") -> ArchiveFile:
        file = self.files[archive_id] = ArchiveFile(content, media=media)
        return file

    def count(self, method: str) -> int:
        """How many requests of this method were made: HEAD, POST (recall) or GET."""
        return sum(asked == method for asked, _ in self.asked)

    def for_owner(
        self, owner: str, watched: Watched | None = None, gate_watched: Watched | None = None
    ) -> MemoryArchive:
        return self

    def statuses(self, archive_ids: Iterable[str], check: Check) -> Answers[FileStatus]:
        return self._answers("HEAD", archive_ids, check, lambda file: FileStatus(len(file.content), *_place(file)))

    def recalls(self, archive_ids: Iterable[str], check: Check) -> Answers[None]:
        return self._answers("POST", archive_ids, check, _recall)

    def contents(self, sizes: Mapping[str, int], check: Check, *, unverified: Container[str] = ()) -> Answers[bytes]:
        for archive_id, size in sizes.items():
            self.alone += [archive_id] if archive_id in unverified else []
            for name, answer in self._answers("GET", [archive_id], check, lambda file: file.content):
                yield name, answer[: size + 1] if isinstance(answer, bytes) else answer

    def read(
        self,
        archive_id: str,
        take: Callable[[memoryview], None],
        check: Check,
        *,
        start: int = 0,
        stop: int | None = None,
        unverified: bool = False,
    ) -> None:
        if start and stop is None:
            raise ValueError("a range needs its stop")
        self.alone += [archive_id] if unverified else []
        self.starts.append(start)
        file = self._file("GET", archive_id, check)
        content, broken = file.content[start:stop], file.breaks_after
        if broken is not None:
            content, file.breaks_after = content[:broken], None
        try:
            for first in range(0, len(content), BLOCK):
                take(memoryview(content)[first : first + BLOCK])
        except EnoughReceived:
            return
        if broken is not None:
            raise ArchiveUnavailable("the connection to the archive broke")

    def ranges(
        self, archive_id: str, wanted: Iterable[tuple[int, int] | None], take: TakeRange, check: Check
    ) -> AnswersTo[tuple[int, int], None]:
        """The range that was asked for last goes ahead, so that bytes come out of order."""
        asking, asked = iter(wanted), list[tuple[int, int]]()
        while True:
            while len(asked) < self.at_once and (of := next(asking, None)) is not None:
                asked.append(of)
            if not asked:
                return
            of = asked.pop()
            answer: Error | None = None
            try:
                self.read(archive_id, partial(take, of), check, start=of[0], stop=of[1])
            except ArchiveUnavailable as error:
                answer = error
            yield of, answer

    def status(self, archive_id: str, check: Check) -> FileStatus:
        file = self._file("HEAD", archive_id, check)
        return FileStatus(len(file.content), *_place(file))

    def alive(self) -> bool:
        return not self.is_down

    def _answers(
        self, method: str, archive_ids: Iterable[str], check: Check, parse: Callable[[ArchiveFile], T]
    ) -> Answers[T]:
        for archive_id in archive_ids:
            answer: T | Error
            try:
                answer = parse(self._file(method, archive_id, check))
            except (ArchiveRefused, ArchiveUnavailable) as error:
                answer = error
            yield archive_id, answer

    def _file(self, method: str, archive_id: str, check: Check) -> ArchiveFile:
        check()
        if archive_id in ("", ".", ".."):
            raise ArchiveRefused("invalid archive id")
        self.on_request(archive_id)
        self.asked.append((method, archive_id))
        if self.is_down:
            raise ArchiveUnavailable("archive answered 503")
        if archive_id not in self.files:
            raise ArchiveUnavailable("archive answered 500")
        file = self.files[archive_id]
        error = file.error or file.errors.get(method)
        if error is not None:
            raise error
        return file


def _place(file: ArchiveFile) -> tuple[int, Media]:
    return file.mtime_ns, file.media


def _recall(file: ArchiveFile) -> None:
    """The file stays on tape until a test says `file.media = "disk"`."""
