"""Where a worker's jobs come from when the jobs table is the queue, on doubles and a real directory of pipes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.errors import DatabaseUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.job_row import JobKind
from chalicelib.waking.database_queue import DatabaseQueue
from chalicelib.waking.sleeper import Sleeper
from chalicelib.waking.wake_directory import WakeDirectory
from tests.doubles.runner_site import POLICY, RunnerSite
from tests.doubles.world import LEASE
from workers.runtime.due_source import DueSource
from workers.runtime.lease import Lease
from workers.runtime.next_job import NextJob
from workers.runtime.outcomes import Defer, Done, Outcome


class TableSite(RunnerSite):
    """A worker whose queue is the jobs table, and another that sleeps."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.directory = WakeDirectory(folder / "wake")
        self.table = DatabaseQueue(self.directory, self.database.clock)
        self.next_job = NextJob(self.world.jobs, self.world.due_jobs, POLICY.slots, self.table.nudge)
        self.runner._queue, self.runner._next = self.table, self.next_job
        policy = replace(POLICY, look=(0.0, 0.0), look_for_small=0.0, let_others=0.0, receive_pause=0.0)
        self.source = DueSource(self.table, self.runner, self.next_job, policy)
        self.other = Sleeper(self.directory)
        self.ran: list[int] = []

    def job(self) -> JobMessage:
        return self.world.job(self.cart.id, JobKind.WINDOW)

    def finish(self, lease: Lease, work: object) -> Outcome:
        self.ran.append(lease.job.id)
        self.world.jobs.finish(lease.job, lambda: None)
        return Done()

    def run_next(self) -> bool:
        """Whether there was a job."""
        work = self.source.next()
        if work:
            work()
        return bool(work)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[TableSite]:
    site = TableSite(tmp_path)
    yield site
    site.source.close()
    site.other.close()


def test_due_jobs_are_claimed_without_a_message(site: TableSite) -> None:
    site.on(JobKind.WINDOW, site.finish)
    jobs = [site.job().job_id for _ in range(2)]
    assert [site.run_next() for _ in range(3)] == [True, True, False]
    assert site.ran == jobs
    assert not site.database.tables.jobs


def test_who_claims_a_job_while_more_are_due_wakes_another_worker(site: TableSite) -> None:
    site.on(JobKind.WINDOW, site.finish)
    site.other.prepare()
    site.job()
    assert site.run_next()
    assert not site.other.sleep(0)
    site.job(), site.job()
    assert site.run_next()
    assert site.other.sleep(0)


def test_a_worker_whose_place_is_for_small_carts_is_not_woken(site: TableSite) -> None:
    site.on(JobKind.WINDOW, site.finish)
    site.job()
    work = site.source.next()
    assert work is not None
    for _ in range(2):
        assert site.source.next() is None
        assert site.directory.wake() == 0
    work()
    assert site.source.next() is None
    assert site.directory.wake() == 1


def test_a_deferred_job_is_looked_for_when_it_is_due(site: TableSite) -> None:
    site.on(JobKind.WINDOW, lambda lease, work: Defer(30, WaitsFor.TURN, "later"))
    site.job()
    assert site.run_next()
    site.on(JobKind.WINDOW, site.finish)
    assert not site.run_next()
    site.database.advance(31)
    assert site.table.receive(1, 0, 0), "the worker that deferred it wakes"
    assert site.run_next()


def test_while_the_database_is_down_the_log_says_so_once(
    site: TableSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down() -> None:
        raise DatabaseUnavailable

    site.on(JobKind.WINDOW, site.finish)
    site.job()
    with monkeypatch.context() as patch:
        patch.setattr(site.next_job, "claim", down)
        assert not any(site.run_next() for _ in range(3))
    assert len([record for record in caplog.records if "cannot look" in record.message]) == 1
    assert site.runner.database_down.is_set()
    assert site.run_next()


def test_a_worker_that_stops_claims_nothing_and_leaves_the_directory(site: TableSite) -> None:
    site.job()
    site.runner.stopping.set()
    assert not site.run_next()
    site.source.close()
    assert list(site.directory.path.iterdir()) == []


def test_a_job_that_ends_its_worker_each_time_ends_its_cart(site: TableSite) -> None:
    site.on(JobKind.WINDOW, site.finish)
    site.job()
    for _ in range(POLICY.poison_attempts):
        assert site.source.next() is not None  # claimed, and the worker dies
        site.next_job.release(site.runner.held.all()[0].job)
        site.database.advance(LEASE + 1)
    assert site.run_next()
    cart = site.world.carts.get(site.cart.id)
    assert cart.state == CartState.ERROR
    assert "its worker died each time" in cart.message
    assert not site.ran


def test_what_is_no_pipe_in_the_directory_keeps_no_worker_asleep(site: TableSite, tmp_path: Path) -> None:
    path = site.directory.path
    for state in ("asleep", "awake"):
        (path / f"folder.{state}").mkdir(parents=True)
        (path / f"file.{state}").touch()
        (path / f"link.{state}").symlink_to(tmp_path / "nothing")
    site.other.prepare()
    assert site.directory.sleeping() == 1
    assert site.directory.wake(9) == 1
    assert site.other.sleep(0)


def test_the_group_of_the_directory_can_wake_a_worker(site: TableSite) -> None:
    before = os.umask(0o077)
    try:
        site.other.prepare()
    finally:
        os.umask(before)
    (pipe,) = site.directory.path.iterdir()
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o660


def test_others_that_sleep_there_do_not_put_off_a_look_for_long(
    site: TableSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = replace(POLICY, look=(2.0, 2.0), lookers=5, least_often=5.0)
    source = DueSource(site.table, site.runner, site.next_job, policy)
    slept = list[float]()
    monkeypatch.setattr(site.table, "sleep", slept.append)
    for sleeping in (1, 10, 1000):
        monkeypatch.setattr(site.table, "sleeping", lambda sleeping=sleeping: sleeping)
        source.next()
    assert slept == [2.0, 4.0, 10.0]
