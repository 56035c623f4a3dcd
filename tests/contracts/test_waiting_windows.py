"""Contract of the windows that wait: who is first, and what a wake does to a job that is parked, held or due."""

from __future__ import annotations

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.job_row import Job, JobKind
from tests.contracts.test_windows import TAKEN, insert, wait_for_space, window
from tests.doubles.world import World


def test_the_oldest_cart_is_first_and_its_windows_come_in_order(world: World) -> None:
    older, younger = world.cart("a").id, world.cart("b").id
    for cart_id, number in ((younger, 0), (older, 1), (older, 0)):
        waiting(world, cart_id, number)
        world.advance(1)
    jobs = [(found.cart_id, found.needed, found.parked) for found in world.waiting.for_space(9)]
    assert jobs == [(older, 100, True), (older, 100, True), (younger, 100, True)]
    assert [found.cart_id for found in world.waiting.for_space(9, after=older)] == [younger]
    assert len(world.waiting.for_space(2)) == 2


def test_only_parked_windows_of_that_size_are_found_to_pass(world: World) -> None:
    small, large, tried = (world.cart(uid).id for uid in "abc")
    waiting(world, small, 0, needed=10)
    waiting(world, large, 0, needed=11)
    waiting(world, tried, 0, needed=10, parked=False)
    assert [found.cart_id for found in world.waiting.for_space(9, most=10)] == [small]


def test_a_reserved_or_dropped_window_and_another_kind_of_job_wait_for_nothing(world: World) -> None:
    cart_id = world.cart("a").id
    waiting(world, cart_id, 0)
    world.claimed(cart_id, JobKind.ASSIST, 0)
    assert len(world.waiting.for_space(9)) == 1
    world.transaction(lambda: world.windows.move(cart_id, 0, (TAKEN,), WindowState.DROPPED))
    assert world.waiting.for_space(9) == []


def test_a_parked_job_that_is_woken_may_be_claimed_at_once(world: World) -> None:
    cart_id = world.cart("a").id
    job = waiting(world, cart_id, 0)
    assert world.jobs.claim(job.id, job.token) is None
    assert world.waiting.wake(world.waiting.for_space(1)) == [JobMessage(job.id, job.token, group_of(cart_id))]
    assert not world.waiting.for_space(1)[0].parked
    assert world.waiting.wake(world.waiting.for_space(1)) == [], "it is due already"
    again = world.jobs.claim(job.id, job.token)
    assert again is not None
    assert again.waits_for == WaitsFor.SPACE


def test_a_job_that_is_woken_while_it_is_tried_is_due_as_soon_as_it_is_parked(world: World) -> None:
    cart_id = world.cart("a").id
    job = waiting(world, cart_id, 0, parked=False)
    assert world.waiting.wake(world.waiting.for_space(1)) == [JobMessage(job.id, job.token, group_of(cart_id))]
    assert world.jobs.renew([job]) == [], "it keeps its lease"
    world.waiting.wake(world.waiting.for_space(1))
    assert world.jobs.park(job, 600, "the volume is full", 0, WaitsFor.SPACE)
    again = world.jobs.claim(job.id, job.token)
    assert again is not None
    assert world.jobs.park(again, 600, "the volume is full", 0, WaitsFor.SPACE)
    assert world.jobs.claim(again.id, again.token) is None, "once"


def waiting(world: World, cart_id: int, number: int, needed: int = 100, *, parked: bool = True) -> Job:
    """The job of a window that waits for space; a worker still holds it if it is not parked."""
    insert(world, cart_id, window(number, TAKEN))
    job = world.claimed(cart_id, JobKind.WINDOW, number)
    wait_for_space(world, cart_id, number, needed)
    if parked:
        world.jobs.park(job, 600, "the volume is full", number, WaitsFor.SPACE)
    return job
