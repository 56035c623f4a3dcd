"""The archive client's connections: reused, bounded in number, and subject to timeouts."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from chalicelib.errors import ArchiveUnavailable
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.unit.scripted_archive import (
    SHORT_TIMEOUT,
    STATUS,
    ScriptedServer,
    archive_at,
    nothing,
    recall,
    scripted_archive,
    status_of,
    whole,
)
from workers.archive.file_status import FileStatus
from workers.runtime.lease import WorkerStopping
from workers.runtime.parallel import parallel_map

ROOT = Path(__file__).parents[2]
FUZZ_WITH_EAGER_GC = """
import gc, random
from tests.fuzz.targets import archive_answers
gc.set_threshold(1)
print(list(archive_answers(random.Random(5), 400)))
"""


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(stall_seconds=30) as simulator:
        yield simulator


def test_a_refused_connection_raises_archive_unavailable() -> None:
    server = ScriptedServer()
    server.close()
    with archive_at(server.url) as archive, pytest.raises(ArchiveUnavailable, match=r"^cannot connect to the archive$"):
        status_of(archive, "1")


@pytest.mark.parametrize(
    "garbage", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 204 No Content\r\nX-Content-Le", b"HTTP/1.1 101 Go\r\n\r\n"]
)
def test_a_malformed_response_raises_archive_unavailable(garbage: bytes) -> None:
    with scripted_archive(garbage) as (archive, _), pytest.raises(ArchiveUnavailable):
        status_of(archive, "1")


def test_an_idle_connection_that_the_archive_closed_is_replaced() -> None:
    with scripted_archive(STATUS + b"\r\n", STATUS + b"\r\n") as (archive, server):
        assert status_of(archive, "1") == status_of(archive, "2")
        assert len(server.requests) == 2


def test_one_connection_serves_many_files(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        for number in range(20):
            assert status_of(archive, f"gen-5000-{number}").size == len(whole(archive, f"gen-5000-{number}"))
            recall(archive, f"gen-5000-{number}")
            with pytest.raises(ArchiveUnavailable):
                recall(archive, "missing")
    stats = simulator.stats()
    assert stats["totals"] == {"heads": 20, "gets": 20, "recalls": 40, "bytes": 100_000}
    assert stats["connections"] == 2  # one is the request for these figures


def test_an_archive_that_closes_every_connection_works(simulator: RunningSimulator) -> None:
    simulator.control(close_each=True)
    with archive_at(simulator.url) as archive:
        for number in range(5):
            assert status_of(archive, f"gen-5000-{number}").size == len(whole(archive, f"gen-5000-{number}"))
    assert simulator.stats()["connections"] == 12  # two of them are the test's own


def test_an_abandoned_read_does_not_affect_the_next(simulator: RunningSimulator) -> None:
    def abandon(block: memoryview) -> None:
        raise KeyError

    with archive_at(simulator.url, concurrency=1) as archive:
        with pytest.raises(KeyError):
            archive.read("gen-9000000-1", abandon, nothing)
        assert len(whole(archive, "gen-7-1")) == 7


def test_abandoned_requests_free_their_slots(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url, concurrency=2) as archive:
        names = [f"gen-1000-{number}" for number in range(10)]
        for received in range(5):
            statuses = archive.statuses(names, nothing)
            for _ in range(received):
                next(statuses)
            statuses.close()
        assert len(list(archive.statuses(names, nothing))) == 10


def test_a_stopped_job_does_not_wait_for_the_archive(simulator: RunningSimulator) -> None:
    simulator.control(stall=1)
    start = time.monotonic()

    def stop_soon() -> None:
        if time.monotonic() > start + SHORT_TIMEOUT:
            raise WorkerStopping

    with archive_at(simulator.url, read_timeout=30) as archive, pytest.raises(WorkerStopping):
        list(archive.contents({"gen-1000-1": 1000}, stop_soon))
    assert time.monotonic() - start < 5


def test_a_job_with_many_files_leaves_slots_for_others(simulator: RunningSimulator) -> None:
    simulator.control(latency_ms=20)
    with archive_at(simulator.url, concurrency=4) as archive, ThreadPoolExecutor(1) as pool:
        many = pool.submit(lambda: list(archive.statuses([f"gen-1-{number}" for number in range(1000)], nothing)))
        for number in range(5):
            assert len(whole(archive, f"gen-7-{number}")) == 7
        assert not many.done()
        archive.close()


def test_garbage_collection_during_requests_is_safe() -> None:
    """pycurl 7.49.0 closes handles in use, but not in a process that runs pytest; hence the subprocess."""
    done = subprocess.run(
        [sys.executable, "-c", FUZZ_WITH_EAGER_GC], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_small_requests_proceed_beside_large_transfers(simulator: RunningSimulator) -> None:
    """A job with more requests keeps one slot, although the transfers are slow until the test ends."""
    finish = threading.Event()
    with archive_at(simulator.url, concurrency=2) as archive, ThreadPoolExecutor(4) as pool:

        def large(number: int) -> None:
            archive.read(f"gen-900000-{number}", lambda block: None if finish.is_set() else time.sleep(0.01), nothing)

        transfers = [pool.submit(large, number) for number in range(40)]
        assert len(list(archive.statuses([f"gen-1-{number}" for number in range(100)], nothing))) == 100
        assert not all(transfer.done() for transfer in transfers)
        finish.set()


def test_an_error_in_the_consumer_frees_the_slots(simulator: RunningSimulator) -> None:
    def fail(fetched: object) -> None:
        raise OSError("disk full")

    sizes = {f"gen-1000-{number}": 1000 for number in range(20)}
    with archive_at(simulator.url, concurrency=2) as archive, ThreadPoolExecutor(1) as pool:
        with pytest.raises(OSError, match="disk full") as raised, closing(archive.contents(sizes, nothing)) as contents:
            list(parallel_map(pool, fail, contents, 64))
        assert len(list(archive.statuses(sizes, nothing))) == 20
        assert raised.value.__traceback__


def test_concurrency_bounds_the_requests_in_flight(simulator: RunningSimulator) -> None:
    simulator.control(latency_ms=20)
    with archive_at(simulator.url, concurrency=3) as archive, ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(partial(status_of, archive), [f"gen-1-{number}" for number in range(12)]))
    assert len(statuses) == 12
    assert simulator.stats()["peak"] == 3


def test_a_silent_archive_times_out(simulator: RunningSimulator) -> None:
    simulator.control(stall=1)
    with archive_at(simulator.url, read_timeout=SHORT_TIMEOUT) as archive:
        for request in (status_of, recall, whole):
            with pytest.raises(ArchiveUnavailable, match=r"^archive did not answer within 0\.3 s$"):
                request(archive, "gen-1000-1")


def test_a_slow_consumer_causes_no_timeout() -> None:
    """The pending connections get older than the timeout while the consumer does not read."""
    results: list[object] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ThreadPoolExecutor(4) as pool:
        pool.submit(serve_late, listener, pool)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with archive_at(url, connect_timeout=1.5) as archive:
            for _, result in archive.statuses(["1", "2", "3"], nothing):
                time.sleep(0 if results else 1.8)
                results.append(result)
        listener.shutdown(socket.SHUT_RDWR)
    assert results == [FileStatus(11, 1_500_000_000_250_000_000, "disk")] * 3


def serve_late(listener: socket.socket, pool: ThreadPoolExecutor) -> None:
    """Accepts with a delay: the backlog holds one connection, and the kernel retries the others after one second."""

    def serve(peer: socket.socket) -> None:
        with peer:
            if peer.recv(65536):
                peer.sendall(STATUS + b"\r\n")

    time.sleep(SHORT_TIMEOUT)
    with suppress(OSError):
        while True:
            pool.submit(serve, listener.accept()[0])


def test_closing_the_client_aborts_requests_in_flight(simulator: RunningSimulator) -> None:
    simulator.control(stall=1)
    with archive_at(simulator.url, read_timeout=30) as archive, ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        reading = pool.submit(whole, archive, "gen-1000000-1")
        while not simulator.stats()["totals"]["bytes"]:
            time.sleep(0.01)
        archive.close()
        with pytest.raises(ArchiveUnavailable):
            reading.result()
        with pytest.raises(ArchiveUnavailable, match="stopping"):
            status_of(archive, "gen-1-1")
        assert time.monotonic() - start < 5


# alive


def test_an_archive_is_alive_while_all_connections_are_in_use(simulator: RunningSimulator) -> None:
    alive: list[bool] = []

    def check_alive(block: memoryview) -> None:
        if not alive:
            alive.append(archive.alive())

    with archive_at(simulator.url, concurrency=1) as archive:
        archive.read("gen-9000000-1", check_alive, nothing)
    assert alive == [True]


def test_an_archive_that_is_down_is_not_alive(simulator: RunningSimulator) -> None:
    with archive_at(simulator.url) as archive:
        simulator.control(down=True)
        assert not archive.alive()
        simulator.control(down=False)
        assert archive.alive()


def test_an_archive_that_responds_too_late_is_not_alive(simulator: RunningSimulator) -> None:
    simulator.control(latency_ms=3000)
    with archive_at(simulator.url, read_timeout=SHORT_TIMEOUT) as archive:
        assert not archive.alive()


def test_an_unreachable_archive_is_not_alive() -> None:
    server = ScriptedServer()
    server.close()
    with archive_at(server.url) as archive:
        assert not archive.alive()
