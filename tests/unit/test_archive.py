"""The archive client: how it interprets the archive's responses."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.unit.scripted_archive import (
    SHORT_TIMEOUT,
    STATUS,
    ScriptedServer,
    archive_at,
    nothing,
    recall,
    response,
    scripted_archive,
    status_of,
    status_with,
    whole,
)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(stall_seconds=30) as simulator:
        yield simulator


# status


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
        ("X-Pacifica-File-Storage-Media", "error"),
    ],
)
def test_a_malformed_status_raises_archive_unavailable(header: str, value: str | None) -> None:
    with scripted_archive(status_with(header, value)) as (archive, _), pytest.raises(ArchiveUnavailable):
        status_of(archive, "1")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 411, 300, 301, 304])
def test_a_permanent_error_raises_archive_refused(status: int) -> None:
    with scripted_archive(response(f"{status} No", Location="http://127.0.0.1:9/")) as (archive, server):
        with pytest.raises(ArchiveRefused, match=f"^archive answered {status}$"):
            status_of(archive, "1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 206, 999])
def test_a_transient_error_raises_archive_unavailable(status: int) -> None:
    with (
        scripted_archive(response(f"{status} Later")) as (archive, _),
        pytest.raises(ArchiveUnavailable, match=f"^archive answered {status}$"),
    ):
        status_of(archive, "1")


def test_the_body_of_an_error_is_logged_but_not_part_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    body = b"Traceback: /secret/path\r\nforged line"
    caplog.set_level("INFO")
    error = response("500 Error", body, Content_Length=str(len(body)))
    with scripted_archive(error) as (archive, _), pytest.raises(ArchiveUnavailable) as raised:
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


def test_a_recall_that_blocks_until_the_file_is_online_times_out_but_continues() -> None:
    blocking = running_simulator(tape=1, recall=1.5 * SHORT_TIMEOUT, recall_blocks=True)
    with blocking as simulator, archive_at(simulator.url, read_timeout=SHORT_TIMEOUT) as archive:
        with pytest.raises(ArchiveUnavailable):
            recall(archive, "gen-1-1")
        recall(archive, "gen-1-1")
        time.sleep(0.01)
        assert status_of(archive, "gen-1-1").media == "disk"


# read


@pytest.mark.parametrize(
    "framing",
    [
        response("200 OK", b"hello", Content_Length="5"),
        response("200 OK", b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", Transfer_Encoding="chunked"),
        response("200 OK", b"hello", Connection="close"),
        response("200 OK", b"hello"),
        response("200 OK", b"hello", Content_Encoding="identity"),
    ],
)
def test_a_body_is_read_with_any_framing(framing: bytes) -> None:
    with scripted_archive(framing) as (archive, _):
        assert whole(archive) == b"hello"


@pytest.mark.parametrize(
    "truncated",
    [
        response("200 OK", b"hel", Content_Length="5"),
        response("200 OK", b"", Content_Length="5"),
        response("200 OK", b"5\r\nhel", Transfer_Encoding="chunked"),
        response("200 OK", b"5\r\nhello\r\n", Transfer_Encoding="chunked"),
        response("200 OK", b"zz\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked"),
    ],
)
def test_a_truncated_body_raises_archive_unavailable(truncated: bytes) -> None:
    with scripted_archive(truncated) as (archive, _), pytest.raises(ArchiveUnavailable):
        whole(archive)


@pytest.mark.parametrize("fault", ["truncate", "reset", "stall", "error"])
def test_a_fault_while_reading_raises_archive_unavailable(simulator: RunningSimulator, fault: str) -> None:
    simulator.control(**{fault: 1})
    with archive_at(simulator.url, read_timeout=SHORT_TIMEOUT) as archive, pytest.raises(ArchiveUnavailable):
        whole(archive, "gen-300000-1")


@pytest.mark.parametrize("encoding", [{"Content_Encoding": "gzip"}, {"Transfer_Encoding": "gzip, chunked"}])
def test_an_unrequested_encoding_raises_archive_refused(encoding: dict[str, str]) -> None:
    with scripted_archive(response("200 OK", b"x", **encoding)) as (archive, _), pytest.raises(ArchiveRefused):
        whole(archive)


def test_an_error_in_the_sink_is_raised_unchanged() -> None:
    def full(block: memoryview) -> None:
        raise OSError("disk full")

    with scripted_archive(response("200 OK", b"hello")) as (archive, _), pytest.raises(OSError, match="disk full"):
        archive.read("1", full, nothing)


def test_a_range_needs_a_start_and_a_stop(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        content = whole(archive, "gen-1000000-1")
        assert whole(archive, "gen-1000000-1", 700_000, 700_050) == content[700_000:700_050]
        with pytest.raises(ValueError, match="stop"):
            whole(archive, "gen-1-1", start=1)


# requests


def test_an_id_is_quoted_as_one_segment_of_the_url() -> None:
    with scripted_archive(STATUS + b"\r\n") as (archive, server):
        status_of(archive, "a/../b?c#d%2e\r\nX: y é")
    assert server.requests[0].splitlines()[0] == "HEAD /a%2F..%2Fb%3Fc%23d%252e%0D%0AX%3A%20y%20%C3%A9 HTTP/1.1"


@pytest.mark.parametrize("archive_id", ["", ".", "..", "\ud800"])
def test_an_invalid_id_is_refused_without_a_request(archive_id: str) -> None:
    with scripted_archive(STATUS + b"\r\n") as (archive, server):
        with pytest.raises(ArchiveRefused):
            status_of(archive, archive_id)
        assert server.requests == []


def test_the_url_of_the_archive_may_have_a_path() -> None:
    server = ScriptedServer(STATUS + b"\r\n", response("200 OK"))
    with archive_at(server.url + "archive/") as archive:
        status_of(archive, "1")
        assert archive.alive()
    server.close()
    assert [request.split()[1] for request in server.requests] == ["/archive/1", "/archive/"]


def test_a_recall_sends_content_length_0_and_a_read_accepts_only_identity() -> None:
    with scripted_archive(response("200 OK"), response("200 OK")) as (archive, server):
        recall(archive, "1")
        whole(archive)
    assert "Content-Length: 0\r\n" in server.requests[0]
    assert "Accept-Encoding: identity\r\n" in server.requests[1]
