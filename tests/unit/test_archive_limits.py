"""Answers that come too slowly, or never end: every request ends, within a deadline or at a least average speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from tests.unit.scripted_archive import SHORT_TIMEOUT, archive_at, recall, response, status_of, whole
from tests.unit.stepping_archive import Step, good_get, good_head, stepping_server
from workers.archive.client import ArchiveClient
from workers.archive.incoming import LARGEST_HEAD
from workers.archive.limits import Limits

PAUSE = SHORT_TIMEOUT / 15
ENOUGH = 100  # pauses: far longer than the timeout
OPEN = response("200 OK", Transfer_Encoding="chunked")
TOO_LATE = r"^archive did not answer within 0\.3 s$"
Request = Callable[[ArchiveClient], object]
requests = pytest.mark.parametrize("request_of", [status_of, recall, whole])


def dripped(*steps: bytes) -> Iterator[Step]:
    for step in steps:
        yield step
        yield PAUSE


@requests
@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 199 X\r\n\r\n"],
)
def test_interim_answers_without_end_are_no_answer(request_of: Request, line: bytes) -> None:
    with sending(*dripped(*repeat(line, ENOUGH))) as archive, pytest.raises(ArchiveTimedOut, match=TOO_LATE):
        request_of(archive)


@requests
@pytest.mark.parametrize("line", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X-Line: y\r\n"])
def test_headers_without_end_are_an_error_however_fast_they_come(request_of: Request, line: bytes) -> None:
    block = line * (1 + LARGEST_HEAD // len(line))
    with (
        sending(b"HTTP/1.1 200 OK\r\n" * (line[:1] == b"X"), *repeat(block, 50)) as archive,
        pytest.raises(ArchiveUnavailable),
    ):
        request_of(archive)


@requests
def test_headers_that_drip_are_no_answer(request_of: Request) -> None:
    lines = [b"HTTP/1.1 200 OK\r\n", *repeat(b"X-Line: y\r\n", ENOUGH)]
    with sending(*dripped(*lines)) as archive, pytest.raises(ArchiveTimedOut, match=TOO_LATE):
        request_of(archive)


def test_a_body_that_drips_is_a_slow_archive() -> None:
    with sending(*dripped(OPEN, *repeat(b"1\r\nx\r\n", ENOUGH)), min_rate=1000) as archive:
        with pytest.raises(ArchiveUnavailable, match=r"^the archive sends less than 1000 bytes/s$"):
            whole(archive)
        ((_, error),) = archive.contents({"1": 1000}, lambda: None)
        assert str(error) == "the archive sends less than 1000 bytes/s"


def test_a_body_that_comes_at_the_least_speed_may_take_its_time() -> None:
    block = b"40\r\n" + b"x" * 64 + b"\r\n"
    with sending(*dripped(OPEN, *repeat(block, 40)), b"0\r\n\r\n", min_rate=100) as archive:
        assert whole(archive) == b"x" * 64 * 40


def test_without_a_least_speed_a_body_may_drip() -> None:
    with sending(*dripped(OPEN, *repeat(b"1\r\nx\r\n", 30)), b"0\r\n\r\n", min_rate=0) as archive:
        assert whole(archive) == b"x" * 30


def test_trailers_that_drip_are_a_slow_archive() -> None:
    steps = [OPEN, b"1\r\nx\r\n0\r\n", *repeat(b"X-Trailer: y\r\n", ENOUGH)]
    with sending(*dripped(*steps), min_rate=1000) as archive, pytest.raises(ArchiveUnavailable):
        whole(archive)


def test_a_body_has_its_own_time_after_a_head_that_came_late() -> None:
    head, body = good_get(b"hello")[:-5], b"hello"
    with sending(0.7, head, 0.7, body, min_rate=1000, read_timeout=1.0) as archive:
        assert whole(archive) == b"hello"


def test_a_head_that_comes_just_in_time_is_the_answer() -> None:
    with sending(0.7, good_head("1"), read_timeout=1.0) as archive:
        assert status_of(archive).media == "disk"
    with sending(0.7, response("200 OK", Content_Length="0"), read_timeout=1.0) as archive:
        recall(archive)


def test_time_that_we_take_ourselves_is_not_the_archives() -> None:
    received = 0

    def slow_disk(block: memoryview) -> None:
        nonlocal received
        received += len(block)
        time.sleep(SHORT_TIMEOUT / 3)

    with sending(good_get(bytes(4 << 20)), min_rate=100 << 20) as archive:
        archive.read("1", slow_disk, lambda: None)
    assert received == 4 << 20


@requests
@pytest.mark.parametrize("pause", [0.0, PAUSE])
def test_an_error_whose_body_never_ends_is_that_error(request_of: Request, pause: float) -> None:
    steps: list[Step] = [b"1\r\nx\r\n", pause] * (ENOUGH if pause else 10_000)
    not_found = response("404 Not Found", Transfer_Encoding="chunked")
    with sending(not_found, *steps) as archive, pytest.raises(ArchiveRefused, match=r"^archive answered 404$"):
        request_of(archive)


def test_a_recall_is_accepted_whose_body_never_ends() -> None:
    with sending(*dripped(OPEN, *repeat(b"1\r\nx\r\n", ENOUGH))) as archive:
        recall(archive)


def test_a_body_after_head_is_not_waited_for() -> None:
    head = good_head("1")[:-2] + b"Content-Length: 1000\r\n\r\n"
    with sending(*dripped(head, *repeat(b"x", ENOUGH))) as archive:
        assert status_of(archive).media == "disk"


@pytest.mark.parametrize("min_rate", [0, 1])
def test_an_archive_whose_root_drips_is_not_alive(min_rate: int) -> None:
    with sending(*dripped(OPEN, *repeat(b"1\r\nx\r\n", ENOUGH)), min_rate=min_rate) as archive:
        assert not archive.alive()


def test_a_head_has_the_read_timeout_and_a_body_the_time_for_what_has_come() -> None:
    limits = Limits(connect_timeout=1, read_timeout=60, min_rate=1000)
    assert (limits.time_for(None), limits.time_for(0), limits.time_for(30_000)) == (60, 60, 90)
    assert Limits(1, 60).time_for(5) == float("inf")


@contextmanager
def sending(*steps: Step, min_rate: int = 0, read_timeout: float = SHORT_TIMEOUT) -> Iterator[ArchiveClient]:
    """A client of an archive that answers every request so."""
    with (
        stepping_server(lambda *_: steps) as server,
        archive_at(server.url, read_timeout=read_timeout, min_rate=min_rate) as archive,
    ):
        yield archive
