"""Contract of the job store: one holder at a time, fenced writes, and what gives a job back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.turns import Turn
from tests.doubles.world import LEASE, World

CART = 7


def test_a_claimed_job_is_as_it_was_added(world: World) -> None:
    job = world.claimed(CART, JobKind.WINDOW, 3)
    assert (job.cart_id, job.kind, job.window, job.attempts, job.token) == (CART, JobKind.WINDOW, 3, 1, 1)
    assert job.progress_at == pytest.approx(world.clock(), abs=10)
    assert job.last_error == ""


def test_a_held_job_cannot_be_claimed(world: World) -> None:
    job = world.claimed(CART)
    assert world.jobs.claim(job.id, job.token) is None


def test_an_unknown_job_cannot_be_claimed(world: World) -> None:
    assert world.jobs.claim(world.job(CART).job_id + 1, 0) is None


def test_when_a_lease_ends_another_worker_claims_the_job_and_fences_the_first(world: World) -> None:
    first = world.claimed(CART)
    world.advance(LEASE + 1)
    second = world.jobs.claim(first.id, first.token)
    assert second is not None
    assert (second.attempts, second.token) == (2, first.token + 1)
    for write in (world.jobs.fenced, world.jobs.progressed, world.jobs.finish):
        with pytest.raises(LeaseLost):
            write(first, lambda: pytest.fail("the first worker wrote"))
    assert world.jobs.renew([first, second]) == [first]
    assert not world.jobs.defer(first, 0)
    assert not world.jobs.park(first, 0, "", 0)
    world.jobs.requeue(first)
    world.jobs.fail_attempt(first, 0, "late")
    assert world.jobs.claim(first.id, second.token) is None, "the second worker still holds it"


def test_a_lease_that_ended_is_not_renewed(world: World) -> None:
    job = world.claimed(CART)
    world.advance(LEASE + 1)
    assert world.jobs.renew([job]) == [job]
    for write in (world.jobs.fenced, world.jobs.progressed):
        with pytest.raises(LeaseLost):
            write(job, lambda: None)


def test_a_job_may_be_finished_after_its_lease_while_nobody_has_claimed_it(world: World) -> None:
    job = world.claimed(CART)
    world.advance(LEASE + 1)
    assert world.jobs.finish(job, lambda: "finished") == "finished"
    assert world.jobs.claim(job.id, job.token) is None


@pytest.mark.parametrize("keep", ["renew", "fenced", "progressed"])
def test_a_lease_is_renewed_by_a_heartbeat_and_by_every_write(world: World, keep: str) -> None:
    job = world.claimed(CART)
    writes: dict[str, Callable[[], object]] = {
        "renew": lambda: world.jobs.renew([job]),
        "fenced": lambda: world.jobs.fenced(job, lambda: None),
        "progressed": lambda: world.jobs.progressed(job, lambda: None),
    }
    for _ in range(2):
        world.advance(LEASE * 2 / 3)
        writes[keep]()
    assert world.jobs.claim(job.id, 0) is None
    assert world.jobs.alive([job.claim]) == {job.claim}


@pytest.mark.parametrize("write", ["fenced", "progressed", "finish"])
def test_a_write_that_raises_leaves_nothing(world: World, write: str) -> None:
    job = world.claimed(CART)
    added = []

    def work() -> None:
        added.append(world.jobs.add(CART, JobKind.RECALL))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        getattr(world.jobs, write)(job, work)
    assert world.jobs.claim(added[0].job_id, 0) is None
    assert world.jobs.renew([job]) == []


def test_a_write_that_raises_does_not_change_the_kind(world: World) -> None:
    job = world.claimed(CART, JobKind.RECALL)
    with pytest.raises(ZeroDivisionError):
        world.jobs.fenced(job, lambda: 1 // 0, JobKind.WINDOW, 9)
    assert (reclaimed(world, job).kind, reclaimed(world, job).window) == (JobKind.RECALL, 0)


def test_a_fenced_write_may_change_kind_and_window(world: World) -> None:
    job = world.claimed(CART, JobKind.WINDOW, 3)
    assert world.jobs.fenced(job, lambda: "done", JobKind.RECALL, 0) == "done"
    found = reclaimed(world, job)
    assert (found.kind, found.window, found.attempts) == (JobKind.RECALL, 0, 2)


def test_a_fenced_write_without_a_kind_keeps_that_of_the_claim(world: World) -> None:
    job = world.claimed(CART, JobKind.WINDOW, 3)
    world.jobs.fenced(job, lambda: None)
    assert (reclaimed(world, job).kind, reclaimed(world, job).window) == (JobKind.WINDOW, 3)


def test_progress_starts_the_count_of_attempts_over(world: World) -> None:
    job = world.claimed(CART)
    world.advance(20)
    world.jobs.progressed(job, lambda: None)
    found = reclaimed(world, job)
    assert found.attempts == 1
    assert found.progress_at >= job.progress_at + 20


def test_a_finished_job_is_gone_together_with_its_last_write(world: World) -> None:
    job = world.claimed(CART)
    message = world.jobs.finish(job, lambda: world.jobs.add(CART, JobKind.CLEANUP))
    assert world.jobs.claim(message.job_id, 0) is not None
    with pytest.raises(LeaseLost):
        world.jobs.finish(job, lambda: None)


def test_a_deferred_job_is_claimed_when_it_is_due_and_no_attempt_counts(world: World) -> None:
    job = world.claimed(CART)
    world.jobs.fail_attempt(job, 0, "ValueError")
    job = claimed_again(world, job)
    assert world.jobs.defer(job, 60, "on tape")
    world.advance(60)
    found = claimed_again(world, job)
    assert (found.attempts, found.last_error) == (1, "")


def test_no_message_shortens_a_wait(world: World) -> None:
    for give_back in (world.jobs.defer, lambda job, delay: world.jobs.fail_attempt(job, delay, "ValueError")):
        job = world.claimed(CART)
        give_back(job, 60)
        world.advance(59)
        assert world.jobs.claim(job.id, job.token) is None
        world.advance(1)
        assert world.jobs.claim(job.id, job.token - 1) is None, "it was claimed since"
        assert world.jobs.claim(job.id, job.token) is not None


def test_a_parked_job_is_due_when_the_sweep_has_sent_its_message_with_its_new_window(world: World) -> None:
    job = world.claimed(CART, JobKind.CLEANUP, 0)
    assert world.jobs.park(job, 60, "a worker may still be busy", 1)
    assert world.unsent_jobs.take_due(10, lambda: 0) == []
    world.advance(61)
    assert world.jobs.claim(job.id, job.token) is None, "it has no message yet: other jobs need theirs"
    assert [message.job_id for message in world.unsent_jobs.take_due(10, lambda: 0)] == [job.id]
    found = claimed_again(world, job)
    assert (found.window, found.attempts) == (1, 1)


def test_a_failed_attempt_counts_and_keeps_its_error(world: World) -> None:
    job = world.claimed(CART)
    for attempt in range(2, 5):
        world.jobs.fail_attempt(job, 1, "x" * 2000)
        world.advance(1)
        job = claimed_again(world, job)
        assert (job.attempts, job.last_error) == (attempt, "x" * 1024)


@pytest.mark.parametrize("progressed", [False, True])
def test_a_requeued_job_is_as_if_it_had_never_been_claimed(world: World, progressed: bool) -> None:
    job = world.claimed(CART)
    if progressed:
        world.jobs.progressed(job, lambda: None)
    world.jobs.requeue(job)
    for late in (world.jobs.fenced, world.jobs.finish):  # a handler that returns after its worker's drain
        with pytest.raises(LeaseLost):
            late(job, lambda: None)
    found = world.jobs.claim(job.id, job.token + 1)
    assert found is not None
    assert found.attempts == 1


def test_deleting_a_carts_jobs_stops_their_workers_and_no_others(world: World) -> None:
    job, other = world.claimed(CART), world.claimed(CART + 1)
    world.transaction(lambda: world.jobs.delete_all(CART))
    with pytest.raises(LeaseLost):
        world.jobs.fenced(job, lambda: None)
    world.jobs.fenced(other, lambda: None)


def test_deleting_the_other_jobs_of_a_cart_keeps_this_one(world: World) -> None:
    job, sibling, stranger = world.claimed(CART), world.claimed(CART), world.claimed(CART + 1)
    world.transaction(lambda: world.jobs.delete_others(job))
    assert world.jobs.renew([job, sibling, stranger]) == [sibling]


def test_a_claim_is_alive_while_its_lease_lasts(world: World) -> None:
    claim = world.claimed(CART).claim
    older, gone = Claim(claim.job_id, claim.token - 1), Claim(claim.job_id + 1, 1)
    assert world.jobs.alive([claim, older, gone]) == {claim}
    world.advance(LEASE + 1)
    assert world.jobs.alive([claim]) == set()
    assert world.jobs.alive([]) == set()


def claimed_again(world: World, job: Job) -> Job:
    """Claim the job after this claim."""
    found = world.jobs.claim(job.id, job.token)
    assert found is not None
    return found


def reclaimed(world: World, job: Job) -> Job:
    """The job as another worker claims it once its lease has ended."""
    world.advance(LEASE + 1)
    ((job_id, token),) = [claim for claim in world.due_jobs.next(Turn()) if claim.job_id == job.id]
    found = world.jobs.claim(job_id, token)
    assert found is not None
    return found


def test_a_free_job_that_waits_for_tape_is_hastened_and_never_put_off(world: World) -> None:
    late, soon, held, other = (world.claimed(cart) for cart in (1, 2, 3, 4))
    world.jobs.defer(late, 300, "on tape", WaitsFor.TAPE)
    world.jobs.defer(soon, 2, "on tape", WaitsFor.TAPE)
    world.jobs.defer(other, 300, "busy", WaitsFor.ARCHIVE)
    messages = world.jobs.hasten([late.id, soon.id, held.id, other.id, 10**6], 5)
    assert [(message.job_id, message.token) for message in messages] == [(late.id, late.token)]
    world.advance(6)
    assert world.jobs.claim(late.id, late.token) is not None
    assert world.jobs.claim(other.id, other.token) is None
    assert world.jobs.hasten([late.id], 5) == []


def test_the_job_that_looks_at_tape_is_added_once(world: World) -> None:
    assert [len(world.transaction(world.jobs.add_look)) for _ in range(2)] == [1, 0]
