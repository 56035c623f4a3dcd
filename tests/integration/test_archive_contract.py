"""The contract of the archive interface, checked against the real one and the simulator."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from urllib.parse import urlsplit

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from infra.local.archive_simulator import running_simulator
from tests.integration.real_archive import real_archive
from tests.unit.scripted_archive import nothing, recall, status_of, whole
from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus

UNICODE_ID = "Prüf datei +100%&=日本"
MTIME_NS = 1_500_000_000_250_000_000
BIG = 5 * 1024 * 1024
CONTENTS = {
    "1001": b"hello world",
    UNICODE_ID: b"unicode",
    "empty": b"",
    "big": hashlib.shake_128(b"big").digest(BIG),
    **{f"many-{number}": hashlib.shake_128(b"%d" % number).digest(10_000 + number) for number in range(40)},
}


@pytest.fixture(scope="module", params=["real", "simulator"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("files")
    for archive_id, content in CONTENTS.items():
        (folder / archive_id).write_bytes(content)
        os.utime(folder / archive_id, ns=(MTIME_NS, MTIME_NS))
    if request.param == "simulator":
        with running_simulator(folder) as simulator:
            yield simulator.url
    else:
        with real_archive(folder, tmp_path_factory.mktemp("home")) as url:
            yield url


@pytest.fixture(scope="module")
def archive(url: str) -> Iterator[ArchiveClient]:
    archive = ArchiveClient(url, concurrency=16, connect_timeout=5, read_timeout=20)
    yield archive
    archive.close()


def test_the_archive_is_alive(archive: ArchiveClient) -> None:
    assert archive.alive()


@pytest.mark.parametrize("archive_id", ["1001", UNICODE_ID, "empty", "big"])
def test_a_status_has_size_mtime_and_media(archive: ArchiveClient, archive_id: str) -> None:
    assert status_of(archive, archive_id) == FileStatus(len(CONTENTS[archive_id]), MTIME_NS, "disk")


@pytest.mark.parametrize("archive_id", ["1001", UNICODE_ID, "empty", "big"])
def test_a_whole_file_can_be_read(archive: ArchiveClient, archive_id: str) -> None:
    assert whole(archive, archive_id) == CONTENTS[archive_id]


@pytest.mark.parametrize(("start", "stop"), [(2, 5), (0, 3), (6, 11), (5, 5)])
def test_a_range_excludes_its_end(archive: ArchiveClient, start: int, stop: int) -> None:
    assert whole(archive, "1001", start, stop) == CONTENTS["1001"][start:stop]


def test_the_rest_of_a_large_file_can_be_read(archive: ArchiveClient) -> None:
    assert whole(archive, "big", 3_000_001, BIG) == CONTENTS["big"][3_000_001:]


def test_a_range_past_the_end_stops_at_the_end(archive: ArchiveClient) -> None:
    assert whole(archive, "1001", 6, 500) == b"world"


def test_a_recall_of_a_file_on_disk_is_accepted(archive: ArchiveClient) -> None:
    recall(archive, "1001")
    assert status_of(archive, "1001").media == "disk"


def test_a_missing_file_looks_like_a_failing_archive(archive: ArchiveClient) -> None:
    requests: list[Callable[[], object]] = [
        lambda: status_of(archive, "missing"),
        lambda: recall(archive, "missing"),
        lambda: whole(archive, "missing"),
    ]
    for request in requests:
        with pytest.raises(ArchiveUnavailable, match=r"^archive answered 500$"):
            request()


def test_concurrent_clients_get_the_right_bytes(archive: ArchiveClient) -> None:
    ids = [archive_id for archive_id in CONTENTS if archive_id.startswith("many-")] * 3
    with ThreadPoolExecutor(16) as pool:
        contents = list(pool.map(lambda archive_id: whole(archive, archive_id), ids))
    assert contents == [CONTENTS[archive_id] for archive_id in ids]


def test_many_files_are_read_concurrently(archive: ArchiveClient) -> None:
    sizes = {archive_id: len(content) for archive_id, content in CONTENTS.items() if archive_id != "big"}
    fetched = dict(archive.contents(sizes | {"missing": 7}, nothing))
    assert isinstance(fetched.pop("missing"), ArchiveUnavailable)
    assert fetched == {archive_id: CONTENTS[archive_id] for archive_id in sizes}


def test_a_file_longer_than_expected_is_read_one_byte_beyond(archive: ArchiveClient) -> None:
    assert dict(archive.contents({"1001": 4}, nothing)) == {"1001": b"hello"}


def test_many_statuses_are_read_concurrently(archive: ArchiveClient) -> None:
    answers = dict(archive.statuses([*CONTENTS, "missing", ""], nothing))
    assert isinstance(answers.pop("missing"), ArchiveUnavailable)
    assert isinstance(answers.pop(""), ArchiveRefused)
    assert answers == {name: FileStatus(len(content), MTIME_NS, "disk") for name, content in CONTENTS.items()}


def test_the_answer_for_a_missing_file_is_json_with_a_traceback(url: str) -> None:
    status, headers, body = ask(url, "GET", "/missing")
    assert (status, headers["Content-Type"]) == (500, "application/json")
    assert {"status", "message", "traceback", "version"} == json.loads(body).keys()


def test_a_bad_range_is_a_server_error(url: str) -> None:
    assert ask(url, "GET", "/1001?byte_range=five")[0] == 500


def test_a_recall_without_a_length_is_refused(url: str) -> None:
    assert ask(url, "POST", "/1001")[0] == 411


def test_a_get_has_no_length_and_ignores_the_range_header(url: str) -> None:
    status, headers, body = ask(url, "GET", "/1001", {"Range": "bytes=1-2"})
    assert (status, headers["Content-Length"], body) == (200, None, b"hello world")


def test_a_status_has_these_headers(url: str) -> None:
    status, headers, body = ask(url, "HEAD", "/1001")
    assert (status, body) == (204, b"")
    assert headers["X-Pacifica-Messsage"] == "File was found"
    assert headers["X-Content-Length"] == "11"
    assert headers["Last-Modified"] == "1500000000.25"
    assert headers["X-Pacifica-Bytes-Per-Level"] == "(11,)"
    assert headers["X-Pacifica-File-Storage-Media"] == "disk"


def test_a_head_of_the_root_is_not_found(url: str) -> None:
    assert ask(url, "HEAD", "/")[0] == 404


def ask(url: str, method: str, target: str, headers: Mapping[str, str] | None = None) -> tuple[int, Message, bytes]:
    """Send exactly this request, without added headers, not even a length."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.putrequest(method, target)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()
