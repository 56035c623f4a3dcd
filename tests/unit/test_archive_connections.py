"""The archive client's connections: kept, bounded, given up in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from chalicelib.errors import ArchiveUnavailable
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.unit.scripted_archive import PAUSE, STATUS, Script, answering, archive_at, whole
from workers.archive_connections import IDLE_LIFE, Connections


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(stall_seconds=30) as simulator:
        yield simulator


def test_nobody_listening_is_an_archive_that_failed() -> None:
    script = Script()
    script.close()
    with archive_at(script.url) as archive, pytest.raises(ArchiveUnavailable, match=r"^cannot connect to the archive$"):
        archive.status("1")


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 204 No Content\r\nX-Content-Le"])
def test_an_answer_that_is_none_is_an_archive_that_failed(garbage: bytes) -> None:
    with answering(garbage) as (archive, _), pytest.raises(ArchiveUnavailable):
        archive.status("1")


def test_a_kept_connection_the_archive_has_closed_is_replaced() -> None:
    with answering(STATUS + b"\r\n", STATUS + b"\r\n") as (archive, script):
        assert archive.status("1") == archive.status("2")
        assert len(script.requests) == 2


def test_one_connection_serves_many_files(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        for number in range(20):
            assert archive.status(f"gen-5000-{number}").size == len(whole(archive, f"gen-5000-{number}"))
            archive.recall(f"gen-5000-{number}")
            with pytest.raises(ArchiveUnavailable):
                archive.recall("missing")
    stats = simulator.stats()
    assert stats["totals"] == {"heads": 20, "gets": 20, "recalls": 40, "bytes": 100_000}
    assert stats["connections"] == 2  # one is the question itself


def test_an_archive_that_closes_each_connection_is_served_as_well(simulator: RunningSimulator) -> None:
    simulator.control(close_each=True)
    with archive_at(simulator.url) as archive:
        for number in range(5):
            assert archive.status(f"gen-5000-{number}").size == len(whole(archive, f"gen-5000-{number}"))
    assert simulator.stats()["connections"] == 12  # two of them the test's own


def test_a_connection_idle_for_long_is_not_trusted(simulator: RunningSimulator) -> None:
    now = 0.0
    connections = Connections(simulator.url, concurrency=1, connect_timeout=5, read_timeout=5, clock=lambda: now)
    for now in (0.0, IDLE_LIFE, 2 * IDLE_LIFE + 1):  # noqa: B007  the clock reads it
        with connections.exchange("GET", "/") as response:
            response.read()
    connections.close()
    assert simulator.stats()["connections"] == 3  # the second exchange used the first one's


def test_a_read_given_up_never_spoils_the_next(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url, concurrency=1) as archive:
        with archive.read("gen-9000000-1") as reader:
            reader.readinto(memoryview(bytearray(10)))
        assert len(whole(archive, "gen-7-1")) == 7


def test_no_more_than_the_concurrency_is_asked_at_once(simulator: RunningSimulator) -> None:
    simulator.control(latency_ms=20)
    with archive_at(simulator.url, concurrency=3) as archive, ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(archive.status, [f"gen-1-{number}" for number in range(12)]))
    assert len(statuses) == 12
    assert simulator.stats()["peak"] == 3


def test_a_silent_archive_is_given_up_after_the_time_out(simulator: RunningSimulator) -> None:
    simulator.control(stall=1)
    with archive_at(simulator.url, read_timeout=PAUSE) as archive:
        for request in (archive.status, archive.recall, partial(whole, archive)):
            with pytest.raises(ArchiveUnavailable, match=r"^archive did not answer within 0\.3 s$"):
                request("gen-1000-1")


def test_closing_the_client_breaks_what_is_under_way(simulator: RunningSimulator) -> None:
    simulator.control(stall=1)
    with archive_at(simulator.url, read_timeout=30) as archive, ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        reading = pool.submit(whole, archive, "gen-1000000-1")
        while not simulator.stats()["totals"]["bytes"]:
            time.sleep(0.01)
        archive.close()
        with pytest.raises(ArchiveUnavailable):
            reading.result()
        with pytest.raises(ArchiveUnavailable, match="stopping"):
            archive.status("gen-1-1")
        assert time.monotonic() - began < 5


# alive


def test_an_archive_is_alive_while_all_connections_are_in_use(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url, concurrency=2) as archive, ThreadPoolExecutor(1) as pool, ExitStack() as reads:
        for number in range(2):
            reads.enter_context(archive.read(f"gen-9000000-{number}"))
        assert pool.submit(archive.alive).result(timeout=5)


def test_an_archive_that_is_down_is_not_alive(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        simulator.control(down=True)
        assert not archive.alive()
        simulator.control(down=False)
        assert archive.alive()


def test_an_archive_that_answers_too_late_is_not_alive(simulator: RunningSimulator) -> None:
    simulator.control(latency_ms=3000)
    with archive_at(simulator.url, read_timeout=PAUSE) as archive:
        assert not archive.alive()


def test_an_archive_nobody_reaches_is_not_alive() -> None:
    script = Script()
    script.close()
    with archive_at(script.url) as archive:
        assert not archive.alive()
