"""Contract of the shared files: takes never overlap, and shrink towards the end."""

from __future__ import annotations

from itertools import chain

from chalicelib.stores.job_row import JobKind
from tests.doubles.world import LEASE, World
from workers.stores.shared_files import LARGEST_TAKE, SMALLEST_TAKE

CART = 7


def test_takes_cover_the_run_without_overlap_and_shrink(world: World) -> None:
    share(world, 5, 20_005)
    takes = []
    while taken := take(world):
        takes.append(taken)
    assert list(chain(*takes)) == list(range(5, 20_005))
    lengths = [len(taken) for taken in takes]
    assert lengths == sorted(lengths, reverse=True)
    assert (lengths[0], lengths[-2]) == (LARGEST_TAKE, SMALLEST_TAKE)
    assert lengths[-1] <= SMALLEST_TAKE


def test_nothing_is_taken_where_nothing_is_shared_any_more(world: World) -> None:
    assert take(world) is None
    share(world, 0, 100)
    world.transaction(lambda: world.shared_files.end(CART))
    assert take(world) is None


def test_a_take_names_the_sharing_job(world: World) -> None:
    share(world, 0, 100, job_id=11)
    assert world.transaction(lambda: world.shared_files.take(CART)) == (11, range(0, 8))


def test_sharing_again_replaces_the_run(world: World) -> None:
    share(world, 0, 100)
    take(world)
    share(world, 50, 60)
    assert take(world) == range(50, 58)


def test_each_cart_shares_its_own_run(world: World) -> None:
    share(world, 0, 100)
    world.transaction(lambda: world.shared_files.end(CART + 1))
    assert world.transaction(lambda: world.shared_files.take(CART + 1)) is None
    assert take(world) == range(0, 8)


def test_an_assistant_is_at_work_while_it_holds_its_lease(world: World) -> None:
    world.claimed(CART, JobKind.WINDOW)
    world.claimed(CART + 1, JobKind.ASSIST)
    message = world.job(CART, JobKind.ASSIST)
    assert not world.shared_files.has_assistants(CART), "the assistant has not started"
    world.jobs.claim(message.job_id, 0)
    assert world.shared_files.has_assistants(CART)
    world.advance(LEASE + 1)
    assert not world.shared_files.has_assistants(CART)


def share(world: World, first: int, stop: int, job_id: int = 1) -> None:
    world.transaction(lambda: world.shared_files.share(CART, job_id, first, stop))


def take(world: World) -> range | None:
    taken = world.transaction(lambda: world.shared_files.take(CART))
    return taken[1] if taken else None
