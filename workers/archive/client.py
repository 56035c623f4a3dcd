"""Client of the archive interface: metadata, recall, contents. Every wait has a timeout.

Invariants: a failure worth retrying is ArchiveUnavailable, any other is ArchiveRefused; an id is one quoted
segment of the URL; nothing the archive sends is trusted, followed or shown to clients: it goes to the log.
Shared by all threads of a worker.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Container, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlsplit

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.curl_loop import AnswerOrError
from workers.archive.file_status import FileStatus, media_in, size_in
from workers.archive.identity import NO_IDENTITY, Identity, request_header
from workers.archive.limits import Limits
from workers.archive.messages import OK, Answer, Method, Request, is_refusal
from workers.archive.mtime import parse_mtime
from workers.archive.refusals import Refusals
from workers.archive.transfers import Transfers

Check = Callable[[], None]
#: Entered for each call; what it gives is called whenever something useful has come.
Watched = Callable[[], AbstractContextManager[Callable[[], None]]]
Parsed = TypeVar("Parsed")
Item = TypeVar("Item")
AnswersTo = Generator[tuple[Item, Parsed | ArchiveRefused | ArchiveUnavailable], None, None]
Answers = AnswersTo[str, Parsed]
#: Takes bytes of a range.
TakeRange = Callable[[tuple[int, int], memoryview], None]

ANSWERED = "archive answered "  # leads the message of an error that comes from a status
PROBE_RATE = 1024  # bytes a second, of the answer to `GET /`

log = logging.getLogger(__name__)


class ArchiveClient:
    def __init__(
        self,
        url: str,
        *,
        concurrency: int,
        connect_timeout: float,
        read_timeout: float,
        min_rate: int = 0,
        identity: Identity = NO_IDENTITY,
        gate: Check = lambda: None,
    ) -> None:
        """`concurrency`: requests in flight at once. `gate`: called wherever a `check` is. The others: see Limits."""
        self._gate = gate
        limits = Limits(connect_timeout, read_timeout, min_rate)
        self._transfers = Transfers(url, limits, concurrency=concurrency, identity=identity)
        # Separate slots, so that transfers in flight never make a living archive look dead.
        probing = replace(limits, min_rate=PROBE_RATE)
        self._probes = Transfers(url, probing, concurrency=concurrency, identity=identity)
        self._bad_time_logged = threading.Event()
        self._identity = identity
        self._headers: tuple[str, ...] = ()
        self._root = urlsplit(url).path.rstrip("/") + "/"
        self._watched: Watched = _unwatched
        self._gate_watched: Watched = _unwatched

    def for_owner(
        self, owner: str, watched: Watched | None = None, gate_watched: Watched | None = None
    ) -> ArchiveClient:
        """This client, for the carts of `owner`: its requests say so where the settings name a header for it.

        `watched`: entered for each of its calls but `alive`; `gate_watched`: for each of the gate's within them.
        """
        other = copy.copy(self)
        other._headers = self._identity.headers_of(owner)
        other._watched = watched or self._watched
        other._gate_watched = gate_watched or self._gate_watched
        return other

    @property
    def is_told_owners(self) -> bool:
        """Whether requests say for whose cart they are, so that the archive may answer each owner otherwise."""
        return self._identity.owner_header != ""

    def statuses(self, archive_ids: Iterable[str], check: Check) -> Answers[FileStatus]:
        """Yield size, mtime and medium of each file, in any order. `check`: see Transfers.run."""
        return self._ask(archive_ids, lambda name: self._request("HEAD", name), check, (200, 204), self._status)

    def recalls(self, archive_ids: Iterable[str], check: Check) -> Answers[None]:
        """Recall each file from tape; yields None for each that was accepted. Recalling a file twice does no harm.

        Some archives answer only when the file is online, so a timeout does not mean that the recall failed.
        """
        accepted = (200, 201, 202, 204)
        return self._ask(archive_ids, lambda name: self._request("POST", name), check, accepted, _nothing)

    def contents(self, sizes: Mapping[str, int], check: Check, *, unverified: Container[str] = ()) -> Answers[bytes]:
        """Yield the bytes of each of these small files, in any order; of a file longer than its size, one byte more.

        `unverified`: those that no hash will verify. Each of these gets a connection of its own: on a reused one, bytes
        that an archive at fault sends after another answer could be taken for this one.
        """

        def request(name: str) -> Request:
            return replace(self._request("GET", name), limit=sizes[name] + 1, fresh=name in unverified)

        return self._ask(sizes, request, check, (OK,), lambda answer: answer.body)

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
        """Pass a file's bytes to `take`, block by block, or those of a range (`stop` exclusive; `start` needs one).

        `unverified`: see `contents`.
        An answer without a length may end where its connection broke: check the size and the hash. Raises
        ArchiveUnavailable, ArchiveRefused, and what `take` and `check` raise.
        """
        if start and stop is None:
            raise ValueError("a range needs its stop")
        byte_range = "" if stop is None else f"?byte_range={start}-{stop}"
        request = replace(self._request("GET", archive_id, byte_range), take=take, fresh=unverified)
        refusals = Refusals(log)
        with self._watched() as moved:
            for _, answer in self._transfers.run((archive_id,), lambda name: request, self._gated(check), moved):
                error = _parsed(answer, archive_id, (OK,), _nothing, refusals)
                if error is not None:
                    refusals.log()
                    raise error

    def ranges(
        self, archive_id: str, wanted: Iterable[tuple[int, int] | None], take: TakeRange, check: Check
    ) -> AnswersTo[tuple[int, int], None]:
        """Pass the bytes of these ranges (stop exclusive) to `take`, as they come; yield each range when it has ended.

        `wanted`: None for none now; it is asked for more after the next answer. As `read` in all else.
        """

        def request(of: tuple[int, int]) -> Request:
            query = f"?byte_range={of[0]}-{of[1]}"
            return replace(self._request("GET", archive_id, query), take=partial(take, of))

        return self._ask(wanted, request, check, (OK,), _nothing)

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
        items: Iterable[Item | None],
        request: Callable[[Item], Request],
        check: Check,
        expected: tuple[int, ...],
        parse: Callable[[Answer], Parsed],
    ) -> AnswersTo[Item, Parsed]:
        """Yield the answer to each request as `parse` reads it, or why there is none."""
        refusals = Refusals(log)
        try:
            running = self._transfers.run
            with self._watched() as moved, closing(running(items, request, self._gated(check), moved)) as answers:
                for item, answer in answers:
                    yield item, _parsed(answer, str(item), expected, parse, refusals)
        finally:
            refusals.log()

    def _gated(self, check: Check) -> Check:
        def both() -> None:
            with self._gate_watched():
                self._gate()
            check()

        return both

    def _status(self, answer: Answer) -> FileStatus:
        """Without a size no layout can be made. Without a time, or a medium, the file is none the worse."""
        headers = answer.headers
        mtime_ns = parse_mtime(headers.get("last-modified", ""))
        if mtime_ns is None and not self._bad_time_logged.is_set():
            self._bad_time_logged.set()  # once: an archive that sends one such time may send millions
            log.warning("archive sent no valid Last-Modified (%.100r): 1970 is used", headers.get("last-modified"))
        return FileStatus(size_in(headers), mtime_ns or 0, media_in(headers))

    def _request(self, method: Method, archive_id: str, query: str = "") -> Request:
        return Request(method, self._target(archive_id) + query, headers=(*self._headers, *request_header()))

    def _target(self, archive_id: str) -> str:
        if archive_id in ("", ".", ".."):
            raise ArchiveRefused("invalid archive id")
        try:
            return self._root + quote(archive_id, safe="")
        except UnicodeEncodeError as error:
            raise ArchiveRefused("invalid archive id") from error


def _parsed(
    answer: AnswerOrError,
    archive_id: str,
    expected: tuple[int, ...],
    parse: Callable[[Answer], Parsed],
    refusals: Refusals,
) -> Parsed | ArchiveRefused | ArchiveUnavailable:
    """The answer as `parse` reads it, if it has one of the `expected` statuses; otherwise the failure."""
    if not isinstance(answer, Answer):
        return answer
    if answer.status not in expected:
        refusals.add(answer.status, archive_id, answer.body)
        return _failure(answer.status)
    try:
        return parse(answer)
    except ArchiveUnavailable as error:
        return error


def _nothing(answer: Answer) -> None:
    return None


def _unwatched() -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


def _failure(status: int) -> ArchiveUnavailable | ArchiveRefused:
    return (ArchiveRefused if is_refusal(status) else ArchiveUnavailable)(f"{ANSWERED}{status}")
