"""A worker that drains: messages, handlers and jobs that are still held, on doubles."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.stores.job_row import Job, JobKind
from tests.doubles.runner_site import RunnerSite, raises
from workers.runtime.lease import Lease, WorkerStopping
from workers.runtime.outcomes import Done, Outcome


@pytest.fixture
def site() -> RunnerSite:
    return RunnerSite()


def test_a_worker_that_drains_gives_messages_back_unread(site: RunnerSite) -> None:
    message = site.send()
    site.runner.stopping.set()
    site.handle_next()
    assert site.row(message).token == 0
    assert len(site.queue.receive(1, 0, 1)) == 1


def test_a_handler_that_stops_for_a_drain_has_its_job_and_message_requeued(site: RunnerSite) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, raises(WorkerStopping()))
    site.handle_next()
    row = site.row(message)
    assert (row.attempts, row.lease_until, row.next_send_at) == (0, 0, site.database.now)
    (again,) = site.queue.receive(1, 0, 1)
    site.on(JobKind.WINDOW, lambda lease, work: site.world.jobs.finish(lease.job, Done))
    site.runner.handle(again)
    assert site.database.tables.jobs == {}


def test_a_drain_waits_for_handlers_that_return(site: RunnerSite) -> None:
    site.send()
    started, release = threading.Event(), threading.Event()

    def script(lease: Lease, work: Any) -> Outcome:
        started.set()
        release.wait(5)
        return site.world.jobs.finish(lease.job, Done)

    site.on(JobKind.WINDOW, script)
    thread = threading.Thread(target=site.handle_next)
    thread.start()
    assert started.wait(5)
    threading.Timer(0.05, release.set).start()
    assert site.consumer.drain(5)
    thread.join()
    assert (len(site.queue), site.database.tables.jobs) == (0, {})


def test_a_drain_waits_for_a_claim_that_is_under_way(site: RunnerSite) -> None:
    message = site.send()
    claiming, release, claim = threading.Event(), threading.Event(), site.world.jobs.claim

    def slowly(job_id: int, token: int) -> Job | None:
        job = claim(job_id, token)
        claiming.set()
        release.wait(5)
        return job

    site.world.jobs.claim = slowly  # type: ignore[method-assign]
    site.on(JobKind.WINDOW, lambda lease, work: lease.check() or Done())  # type: ignore[func-returns-value]
    thread = threading.Thread(target=site.handle_next)
    thread.start()
    assert claiming.wait(5)
    threading.Timer(0.05, release.set).start()
    assert site.consumer.drain(5)
    assert site.row(message).lease_until == 0
    assert not site.consumer.is_busy
    thread.join()


def test_a_drain_requeues_what_a_handler_still_holds_and_fences_its_writes(site: RunnerSite) -> None:
    message = site.send()
    started, drained = threading.Event(), threading.Event()
    late: list[bool] = []

    def script(lease: Lease, work: Any) -> Outcome:
        started.set()
        drained.wait(5)
        late.append(lease.lost.is_set())
        return site.world.jobs.finish(lease.job, Done)

    site.on(JobKind.WINDOW, script)
    thread = threading.Thread(target=site.handle_next)
    thread.start()
    started.wait(5)
    site.runner.stopping.set()
    assert not site.consumer.drain(0)
    drained.set()
    thread.join()
    assert late == [True]
    assert site.row(message).lease_until == 0
    assert len(site.queue.receive(1, 0, 1)) == 1, "the message stays, for another worker"
