"""The archive client: what it makes of the archive's answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.unit.scripted_archive import (
    GOOD_HEADERS,
    PAUSE,
    STATUS,
    Script,
    answer,
    answering,
    archive_at,
    nothing,
    recall,
    status_of,
    whole,
)
from workers.archive.client import FileStatus


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(stall_seconds=30) as simulator:
        yield simulator


# status


@pytest.mark.parametrize(
    ("mtime", "nanoseconds"),
    [
        ("1500000000.25", 1_500_000_000_250_000_000),
        ("1795475544.6645658", 1_795_475_544_664_565_800),
        ("1500000000", 1_500_000_000_000_000_000),
        ("0.0", 0),
        ("1e-05", 10_000),
        ("Fri, 14 Jul 2017 02:40:00 GMT", 1_500_000_000_000_000_000),
        ("Fri Jul 14 02:40:00 2017", 1_500_000_000_000_000_000),
    ],
)
def test_an_mtime_is_taken_to_the_nanosecond(mtime: str, nanoseconds: int) -> None:
    with answering(status_with("Last-Modified", mtime)) as (archive, _):
        assert status_of(archive, "1") == FileStatus(11, nanoseconds, "disk")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Content-Length", None),
        ("X-Content-Length", ""),
        ("X-Content-Length", "-1"),
        ("X-Content-Length", "+5"),
        ("X-Content-Length", "1_000"),
        ("X-Content-Length", "11.0"),
        ("X-Content-Length", str(1 << 63)),
        ("X-Content-Length", "9" * 5000),
        ("X-Content-Length", "\u00b2"),
        ("X-Content-Length", "File Not Found"),
        ("Last-Modified", None),
        ("Last-Modified", "-1.0"),
        ("Last-Modified", "nan"),
        ("Last-Modified", "1e400"),
        ("Last-Modified", "1e999999999"),
        ("Last-Modified", "yesterday"),
        ("Last-Modified", "Fri, 99 Jul 2017 02:40:00 GMT"),
        ("Last-Modified", "Fri, 14 Jul 1917 02:40:00 GMT"),
        ("X-Pacifica-File-Storage-Media", None),
        ("X-Pacifica-File-Storage-Media", "floppy"),
        ("X-Pacifica-File-Storage-Media", "error"),
    ],
)
def test_a_status_that_makes_no_sense_is_an_archive_that_failed(header: str, value: str | None) -> None:
    with answering(status_with(header, value)) as (archive, _), pytest.raises(ArchiveUnavailable):
        status_of(archive, "1")


def status_with(header: str, value: str | None) -> bytes:
    headers = {**GOOD_HEADERS, header: value}
    lines = [f"{name}: {content}" for name, content in headers.items() if content is not None]
    return "\r\n".join(["HTTP/1.1 204 No Content", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 411, 300, 301, 304])
def test_an_answer_that_will_stay_the_same_is_a_refusal(status: int) -> None:
    with answering(answer(f"{status} No", Location="http://127.0.0.1:9/")) as (archive, script):
        with pytest.raises(ArchiveRefused, match=f"^archive answered {status}$"):
            status_of(archive, "1")
        assert len(script.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 206, 999])
def test_an_answer_that_may_change_is_an_archive_that_failed(status: int) -> None:
    with (
        answering(answer(f"{status} Later")) as (archive, _),
        pytest.raises(ArchiveUnavailable, match=f"^archive answered {status}$"),
    ):
        status_of(archive, "1")


def test_what_the_archive_says_goes_to_the_log_and_not_into_the_message(caplog: pytest.LogCaptureFixture) -> None:
    body = b"Traceback: /secret/path\r\nforged line"
    caplog.set_level("INFO")
    failing = answer("500 Error", body, Content_Length=str(len(body)))
    with answering(failing) as (archive, _), pytest.raises(ArchiveUnavailable) as raised:
        recall(archive, "1")
    assert "secret" not in raised.value.message
    assert "secret" in caplog.text
    assert "\nforged" not in caplog.text


# recall


def test_a_recall_brings_a_file_online() -> None:
    with running_simulator(tape=1, recall=0.05) as simulator, archive_at(simulator.url) as archive:
        assert status_of(archive, "gen-1-1").media == "tape"
        recall(archive, "gen-1-1")
        while status_of(archive, "gen-1-1").media == "tape":
            time.sleep(0.01)
        assert simulator.stats()["totals"]["recalls"] == 1


def test_a_recall_answered_only_when_online_times_out_and_is_under_way_all_the_same() -> None:
    slow = running_simulator(tape=1, recall=1.5 * PAUSE, recall_blocks=True)
    with slow as simulator, archive_at(simulator.url, read_timeout=PAUSE) as archive:
        with pytest.raises(ArchiveUnavailable):
            recall(archive, "gen-1-1")
        recall(archive, "gen-1-1")
        time.sleep(0.01)
        assert status_of(archive, "gen-1-1").media == "disk"


# read


@pytest.mark.parametrize(
    "framing",
    [
        answer("200 OK", b"hello", Content_Length="5"),
        answer("200 OK", b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", Transfer_Encoding="chunked"),
        answer("200 OK", b"hello", Connection="close"),
        answer("200 OK", b"hello"),
        answer("200 OK", b"hello", Content_Encoding="identity"),
    ],
)
def test_a_body_is_read_however_it_is_framed(framing: bytes) -> None:
    with answering(framing) as (archive, _):
        assert whole(archive) == b"hello"


@pytest.mark.parametrize(
    "cut",
    [
        answer("200 OK", b"hel", Content_Length="5"),
        answer("200 OK", b"", Content_Length="5"),
        answer("200 OK", b"5\r\nhel", Transfer_Encoding="chunked"),
        answer("200 OK", b"5\r\nhello\r\n", Transfer_Encoding="chunked"),
        answer("200 OK", b"zz\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked"),
    ],
)
def test_a_body_cut_short_is_never_taken_for_the_whole(cut: bytes) -> None:
    with answering(cut) as (archive, _), pytest.raises(ArchiveUnavailable):
        whole(archive)


@pytest.mark.parametrize("fault", ["truncate", "reset", "stall", "error"])
def test_whatever_breaks_while_reading_is_an_archive_that_failed(simulator: RunningSimulator, fault: str) -> None:
    simulator.control(**{fault: 1})
    with archive_at(simulator.url, read_timeout=PAUSE) as archive, pytest.raises(ArchiveUnavailable):
        whole(archive, "gen-300000-1")


@pytest.mark.parametrize("encoding", [{"Content_Encoding": "gzip"}, {"Transfer_Encoding": "gzip, chunked"}])
def test_a_body_encoded_unasked_is_refused(encoding: dict[str, str]) -> None:
    with answering(answer("200 OK", b"x", **encoding)) as (archive, _), pytest.raises(ArchiveRefused):
        whole(archive)


def test_an_error_of_the_taker_is_not_the_archives() -> None:
    def full(block: memoryview) -> None:
        raise OSError("disk full")

    with answering(answer("200 OK", b"hello")) as (archive, _), pytest.raises(OSError, match="disk full"):
        archive.read("1", full, nothing)


def test_a_range_is_asked_for_with_both_its_ends(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        content = whole(archive, "gen-1000000-1")
        assert whole(archive, "gen-1000000-1", 700_000, 700_050) == content[700_000:700_050]
        with pytest.raises(ValueError, match="stop"):
            whole(archive, "gen-1-1", start=1)


# requests


def test_an_id_stays_one_segment_of_the_url() -> None:
    with answering(STATUS + b"\r\n") as (archive, script):
        status_of(archive, "a/../b?c#d%2e\r\nX: y é")
    assert script.requests[0].splitlines()[0] == "HEAD /a%2F..%2Fb%3Fc%23d%252e%0D%0AX%3A%20y%20%C3%A9 HTTP/1.1"


@pytest.mark.parametrize("archive_id", ["", ".", "..", "\ud800"])
def test_an_id_that_names_no_file_is_refused_unasked(archive_id: str) -> None:
    with answering(STATUS + b"\r\n") as (archive, script):
        with pytest.raises(ArchiveRefused):
            status_of(archive, archive_id)
        assert script.requests == []


def test_the_archive_may_live_under_a_path() -> None:
    script = Script(STATUS + b"\r\n", answer("200 OK"))
    with archive_at(script.url + "archive/") as archive:
        status_of(archive, "1")
        assert archive.alive()
    script.close()
    assert [request.split()[1] for request in script.requests] == ["/archive/1", "/archive/"]


def test_a_recall_says_that_it_has_no_body_and_a_read_asks_for_plain_bytes() -> None:
    with answering(answer("200 OK"), answer("200 OK")) as (archive, script):
        recall(archive, "1")
        whole(archive)
    assert "Content-Length: 0\r\n" in script.requests[0]
    assert "Accept-Encoding: identity\r\n" in script.requests[1]
