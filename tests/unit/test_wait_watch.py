"""The watch on calls: a call that brings nothing for half a minute shows, long before its timeout."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.job_waits import JobWaitStore
from workers.runtime.lease import HeldLeases, Lease
from workers.runtime.slow_calls import OpenCalls
from workers.runtime.wait_log import WaitLog
from workers.runtime.wait_watch import WaitWatch


@dataclass
class Watched:
    """One held job, a clock that tests set forward, and what the watch recorded: a word, void for no wait."""

    now: float = 0.0
    recorded: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        job = Job(1, 7, JobKind.WINDOW, 0, 1, 1, 0.0, "")
        self.lease = Lease(job, "receipt", threading.Event(), calls=OpenCalls(lambda: self.now))
        held = HeldLeases()
        held.add(self.lease)
        log = WaitLog(clock=lambda: self.now)
        self.watch = WaitWatch(held, cast(JobWaitStore, self), log, clock=lambda: self.now)

    def begin(self, job: Job, waits_for: WaitsFor, reason: str, seconds: float) -> None:
        self.recorded.append(str(waits_for))
        self.seconds = seconds

    def end(self, job: Job) -> None:
        self.recorded.append("")

    def look_for(self, seconds: float) -> None:
        """Let time pass, with a look every five seconds."""
        for _ in range(int(seconds / 5)):
            self.now += 5
            self.watch.look()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_call_that_brings_nothing_for_half_a_minute_is_what_the_job_waits_for(watched: Watched) -> None:
    with watched.lease.calling_store():
        watched.look_for(30)
        assert watched.recorded == []
        watched.look_for(5)
        assert (watched.recorded, watched.seconds) == (["store"], 35)


def test_a_long_call_whose_bytes_move_is_no_wait(watched: Watched) -> None:
    with watched.lease.calling_archive() as moved:
        for _ in range(20):
            watched.look_for(25)
            moved()
    assert watched.recorded == []


def test_many_short_calls_are_no_wait(watched: Watched) -> None:
    for _ in range(20):
        with watched.lease.calling_store():
            watched.look_for(25)
    assert watched.recorded == []


def test_one_hanging_call_among_others_that_work_shows(watched: Watched) -> None:
    with watched.lease.calling_store(), watched.lease.calling_archive() as moved:
        for _ in range(7):
            watched.look_for(5)
            moved()
    assert watched.recorded == ["store"]


def test_the_wait_ends_when_bytes_move_steadily(watched: Watched) -> None:
    with watched.lease.calling_archive() as moved:
        watched.look_for(35)
        for _ in range(3):
            moved()
            watched.now += 1
            watched.watch.look()
    assert watched.recorded == ["archive", ""]


def test_the_first_bytes_of_a_retry_do_not_end_the_wait(watched: Watched) -> None:
    with watched.lease.calling_store():
        watched.look_for(35)
    with watched.lease.calling_store() as moved:
        moved()
        watched.now += 1
        watched.watch.look()
        watched.look_for(30)
    assert "" not in watched.recorded


def test_a_database_that_hangs_within_a_call_to_the_archive_is_not_taken_for_the_archive(watched: Watched) -> None:
    with watched.lease.calling_archive():
        watched.look_for(25)
        with watched.lease.calling_database():
            watched.look_for(30)
            assert watched.recorded == []
            watched.look_for(5)
            assert watched.recorded == ["database"]
