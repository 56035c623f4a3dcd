"""Contract of what a job's row says of its wait: it lasts from the first deferral to progress, or another wait."""

from __future__ import annotations

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import Job
from tests.doubles.world import World

CART = 7
DELAY = 60.0


def deferred(world: World, job: Job, waits_for: WaitsFor) -> Job:
    """The job, deferred and claimed again a minute later."""
    assert world.jobs.defer(job, DELAY, "why", waits_for)
    return claimed_again(world, job)


def claimed_again(world: World, job: Job) -> Job:
    world.advance(DELAY)
    found = world.jobs.claim(job.id, job.token)
    assert found is not None
    return found


def waited(world: World, job: Job) -> float:
    assert job.waits_since is not None
    return world.clock() - job.waits_since


def test_a_job_that_waits_for_the_same_again_and_again_has_waited_since_the_first_time(world: World) -> None:
    job = world.claimed(CART)
    assert (job.waits_for, job.waits_since) == ("", None)
    for times in (1, 2, 3):
        job = deferred(world, job, WaitsFor.ARCHIVE)
        assert job.waits_for == "archive"
        assert waited(world, job) == pytest.approx(times * DELAY, abs=10)


def test_another_wait_begins_from_now(world: World) -> None:
    job = deferred(world, deferred(world, world.claimed(CART), WaitsFor.ARCHIVE), WaitsFor.SPACE)
    assert job.waits_for == "space"
    assert waited(world, job) == pytest.approx(DELAY, abs=10)


def test_progress_ends_a_wait_and_a_renewal_does_not(world: World) -> None:
    job = deferred(world, world.claimed(CART), WaitsFor.ARCHIVE)
    world.jobs.renew([job])
    world.jobs.fenced(job, lambda: None)
    world.jobs.requeue(job)
    again = world.jobs.claim(job.id, job.token + 1)
    assert again is not None
    assert again.waits_for == "archive"
    world.jobs.progressed(again, lambda: None)
    world.jobs.requeue(again)
    last = world.jobs.claim(again.id, again.token + 1)
    assert last is not None
    assert (last.waits_for, last.waits_since) == ("", None)


def test_a_job_waits_for_its_retry_after_a_failed_attempt(world: World) -> None:
    job = world.claimed(CART)
    world.jobs.fail_attempt(job, DELAY, "ValueError: odd")
    assert claimed_again(world, job).waits_for == "retry"


def test_a_parked_job_waits_too(world: World) -> None:
    job = world.claimed(CART)
    assert world.jobs.park(job, DELAY, "a worker may still be busy", 1, WaitsFor.WORKER)
    world.advance(DELAY)
    world.unsent_jobs.take_due(10, lambda: 0)
    assert claimed_again(world, job).waits_for == "worker"


def test_a_pause_is_no_lack_of_progress_but_lasts_from_its_first_deferral(world: World) -> None:
    job = world.claimed(CART)
    for times in (1, 2):
        job = deferred(world, job, WaitsFor.PAUSE)
        assert waited(world, job) == pytest.approx(times * DELAY, abs=10)
        assert world.clock() - job.progress_at == pytest.approx(DELAY, abs=10)


def test_a_lost_job_does_not_wait_until_a_pause_ends(world: World) -> None:
    job = world.claimed(CART)
    world.transaction(lambda: world.jobs.delete_all(CART))
    assert not world.jobs.defer(job, DELAY, "paused", WaitsFor.PAUSE)
