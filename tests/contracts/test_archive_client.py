"""Contract of the archive client, held by the double and by the real client of the archive simulator.

tests/integration/test_archive_contract.py holds the simulator to the real archive interface.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.doubles.archive import MemoryArchive
from tests.unit.scripted_archive import nothing, status_of, whole
from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus
from workers.archive.messages import EnoughReceived

MTIME_NS = 1_500_000_000_000_000_000
CONTENTS = {"1001": b"hello world", "empty": b"", "big": hashlib.shake_128(b"big").digest(300_000)}


@dataclass
class Archive:
    """An archive of CONTENTS; `tape` has the same files, all on tape until they have been recalled."""

    client: ArchiveClient
    tape: ArchiveClient
    set_down: Callable[[bool], object]
    #: lets recalled files come online
    mount: Callable[[], object]


@pytest.fixture(params=["memory", "simulator"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    if request.param == "memory":
        yield in_memory()
        return
    folder = tmp_path_factory.mktemp("held")
    for archive_id, content in CONTENTS.items():
        (folder / archive_id).write_bytes(content)
        os.utime(folder / archive_id, ns=(MTIME_NS, MTIME_NS))
    now = [0.0]

    def mount() -> None:
        now[0] += 60

    with running_simulator(folder) as disk, running_simulator(folder, tape=1, recall=30, clock=lambda: now[0]) as tape:
        archive = Archive(connected(disk), connected(tape), lambda down: disk.control(down=down), mount)
        yield archive
        archive.client.close()
        archive.tape.close()


def in_memory() -> Archive:
    disk, tape = MemoryArchive(), MemoryArchive()
    for archive_id, content in CONTENTS.items():
        disk.put(archive_id, content)
        tape.put(archive_id, content, "tape")

    def set_down(down: bool) -> None:
        disk.is_down = down

    def mount() -> None:
        for method, archive_id in tape.asked:
            if method == "POST":
                tape.files[archive_id].media = "disk"

    return Archive(cast(ArchiveClient, disk), cast(ArchiveClient, tape), set_down, mount)


def connected(simulator: RunningSimulator) -> ArchiveClient:
    return ArchiveClient(simulator.url, concurrency=4, connect_timeout=5, read_timeout=20)


def test_every_file_is_answered_for(archive: Archive) -> None:
    answers = dict(archive.client.statuses([*CONTENTS, "missing", ""], nothing))
    missing, unnamed = answers.pop("missing"), answers.pop("")
    assert (type(missing), str(missing)) == (ArchiveUnavailable, "archive answered 500")
    assert (type(unnamed), str(unnamed)) == (ArchiveRefused, "invalid archive id")
    assert answers == {name: FileStatus(len(content), MTIME_NS, "disk") for name, content in CONTENTS.items()}


def test_one_file_is_answered_for_or_the_reason_is_raised(archive: Archive) -> None:
    assert status_of(archive.client, "1001") == FileStatus(11, MTIME_NS, "disk")
    with pytest.raises(ArchiveUnavailable):
        status_of(archive.client, "missing")
    with pytest.raises(ArchiveRefused):
        status_of(archive.client, "")


def test_small_files_come_whole_and_longer_ones_one_byte_too_long(archive: Archive) -> None:
    sizes = {"1001": 4, "empty": 0, "big": 300_000, "missing": 1}
    contents = dict(archive.client.contents(sizes, nothing))
    assert isinstance(contents.pop("missing"), ArchiveUnavailable)
    assert contents == {**CONTENTS, "1001": b"hello"}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_read_whole(archive: Archive, name: str) -> None:
    assert whole(archive.client, name) == CONTENTS[name]


def test_a_range_of_a_file_is_read(archive: Archive) -> None:
    assert whole(archive.client, "big", 70_001, 200_000) == CONTENTS["big"][70_001:200_000]
    with pytest.raises(ValueError, match="needs its stop"):
        whole(archive.client, "big", 5)


def test_a_missing_file_cannot_be_read(archive: Archive) -> None:
    with pytest.raises(ArchiveUnavailable):
        whole(archive.client, "missing")


def test_reading_stops_when_enough_has_been_received_and_raises_what_the_reader_raises(archive: Archive) -> None:
    def reader(error: Exception) -> Callable[[memoryview], None]:
        def take(block: memoryview) -> None:
            raise error

        return take

    archive.client.read("big", reader(EnoughReceived()), nothing)
    with pytest.raises(OSError, match="disk"):
        archive.client.read("big", reader(OSError("disk")), nothing)


@pytest.mark.parametrize("method", ["statuses", "recalls", "contents", "read"])
def test_every_request_can_be_stopped(archive: Archive, method: str) -> None:
    def check() -> None:
        raise ZeroDivisionError

    requests: dict[str, Callable[[], object]] = {
        "statuses": lambda: list(archive.client.statuses(["1001"], check)),
        "recalls": lambda: list(archive.client.recalls(["1001"], check)),
        "contents": lambda: list(archive.client.contents({"1001": 11}, check)),
        "read": lambda: archive.client.read("1001", lambda block: None, check),
    }
    with pytest.raises(ZeroDivisionError):
        requests[method]()


def test_a_file_on_tape_comes_online_some_time_after_its_recall(archive: Archive) -> None:
    assert status_of(archive.tape, "1001").media == "tape"
    assert dict(archive.tape.recalls(["1001"], nothing)) == {"1001": None}
    assert status_of(archive.tape, "1001").media == "tape"
    archive.mount()
    assert status_of(archive.tape, "1001") == FileStatus(11, MTIME_NS, "disk")
    assert status_of(archive.tape, "empty").media == "tape", "it was not recalled"


def test_a_missing_file_cannot_be_recalled(archive: Archive) -> None:
    ((name, error),) = archive.client.recalls(["missing"], nothing)
    assert (name, type(error)) == ("missing", ArchiveUnavailable)


def test_an_archive_that_is_down_answers_for_nothing_and_is_not_alive(archive: Archive) -> None:
    assert archive.client.alive()
    archive.set_down(True)
    assert not archive.client.alive()
    ((_, status),) = archive.client.statuses(["1001"], nothing)
    ((_, recall),) = archive.client.recalls(["1001"], nothing)
    for error in (status, recall):
        assert (type(error), str(error)) == (ArchiveUnavailable, "archive answered 503")
    archive.set_down(False)
    assert archive.client.alive()


def test_ranges_are_passed_on_as_they_come_and_more_are_asked_for_as_they_end(archive: Archive) -> None:
    content, received, ended = CONTENTS["big"], dict[tuple[int, int], bytes](), list[tuple[int, int]]()

    def wanted() -> Iterator[tuple[int, int] | None]:
        yield from ((0, 100_000), (100_000, 200_000), None)
        while not ended:
            yield None
        yield 200_000, 300_000

    def take(of: tuple[int, int], block: memoryview) -> None:
        received[of] = received.get(of, b"") + bytes(block)

    for of, error in archive.client.ranges("big", wanted(), take, nothing):
        assert error is None
        ended.append(of)
    assert received == {of: content[of[0] : of[1]] for of in ended}
    assert sorted(ended) == [(0, 100_000), (100_000, 200_000), (200_000, 300_000)]
