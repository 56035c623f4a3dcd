"""Contract of the eviction in two steps: which files may go, what is marked, what a crash leaves."""

from __future__ import annotations

from chalicelib.db.states import FileState
from tests.contracts.test_staged_files import claim, find, spec, stage, totals, unpin
from tests.doubles.world import LEASE, World
from workers.files.volume import BLOCK


def test_the_least_recently_used_files_come_first(world: World) -> None:
    stage(world, "a", "b", "c", "pinned")
    for name in "bac":
        unpin(world, name)
        world.advance(10)
    assert least_recently_used(world, 0, 9) == ["b", "a", "c"]
    assert least_recently_used(world, 0, 2) == ["b", "a"]
    assert least_recently_used(world, 15, 9) == ["b", "a"], "c was used within 15 seconds"
    world.transaction(lambda: world.staged_files.pin(["b"]))
    unpin(world, "b")
    assert least_recently_used(world, 0, 9) == ["a", "c", "b"], "a pin is a use"


def test_what_was_released_since_a_time_and_not_long_ago_is_summed(world: World) -> None:
    stage(world, "a", "b", "c", "pinned")
    unpin(world, "a")
    world.advance(10)
    since = world.clock()
    world.advance(10)
    unpin(world, "b")
    world.advance(10)
    unpin(world, "c")
    assert [released_bytes(world, *when) // BLOCK for when in ((since, 60), (since, 5), (0, 60))] == [2, 1, 3]
    world.advance(60)
    assert released_bytes(world, since, 60) == 0


def test_files_being_pulled_are_not_evictable(world: World) -> None:
    claim(world, world.claimed(1).id, spec("a"), pins=0)
    assert least_recently_used(world, 0, 9) == []
    assert not world.transaction(world.evicted_files.anything_evictable)


def test_a_file_no_window_needs_is_evictable_however_recently_it_was_used(world: World) -> None:
    stage(world, "a")
    assert not world.transaction(world.evicted_files.anything_evictable)
    unpin(world, "a")
    assert world.transaction(world.evicted_files.anything_evictable)


def test_the_first_use_is_that_of_the_file_used_longest_ago(world: World) -> None:
    assert world.evicted_files.first_used_at() is None
    stage(world, "a", "b")
    unpin(world, "a")
    first = world.evicted_files.first_used_at()
    world.advance(10)
    unpin(world, "b")
    assert first is not None
    assert world.evicted_files.first_used_at() == first


def test_a_marked_file_is_charged_until_it_is_forgotten_and_no_longer_staged(world: World) -> None:
    job = world.claimed(1)
    stage(world, "a", "pinned")
    unpin(world, "a")
    mark(world, job.id, "a")
    assert (find(world, "a").state, find(world, "a").puller) == (FileState.EVICTING, job.id)
    assert (totals(world), world.account.read().removed) == ((2 * BLOCK, BLOCK), BLOCK)
    assert world.evicted_files.marked(job.id, 9) == ["a"]
    assert world.transaction(world.evicted_files.anything_evictable), "its space will be free"
    forget(world, job.id, "a", "pinned")
    assert world.staged_files.find(["a", "pinned"]).keys() == {"pinned"}
    assert totals(world) == (BLOCK, BLOCK)


def test_a_file_that_a_window_needs_while_it_is_evicted_stays_charged_and_is_pulled_again(world: World) -> None:
    job = world.claimed(1)
    stage(world, "a")
    unpin(world, "a")
    mark(world, job.id, "a")
    world.transaction(lambda: world.staged_files.pin(["a"]))
    forget(world, job.id, "a")
    assert (find(world, "a").state, find(world, "a").puller, find(world, "a").pins) == (FileState.PULLING, 0, 1)
    assert totals(world) == (BLOCK, 0)
    claim(world, job.id, spec("a"), pins=0)
    assert totals(world) == (BLOCK, 0)


def test_only_the_job_that_marked_a_file_forgets_it(world: World) -> None:
    job, other = world.claimed(1), world.claimed(2)
    stage(world, "a")
    unpin(world, "a")
    mark(world, job.id, "a")
    forget(world, other.id, "a")
    assert (find(world, "a").state, find(world, "a").puller) == (FileState.EVICTING, job.id)
    assert world.evicted_files.marked(other.id, 9) == []


def test_what_a_pull_has_not_recorded_is_marked_unless_a_window_needs_it(world: World) -> None:
    job = world.claimed(1)
    stage(world, "staged")
    unpin(world, "staged")
    claim(world, world.claimed(2).id, spec("pulled"), pins=0)
    claim(world, world.claimed(2).id, spec("pinned"), pins=1)
    world.transaction(lambda: world.evicted_files.mark_unstaged(job.id, ["staged", "pulled", "pinned"]))
    assert world.evicted_files.marked(job.id, 9) == ["pulled"]
    assert totals(world) == (3 * BLOCK, BLOCK)
    forget(world, job.id, "pulled")
    assert totals(world) == (2 * BLOCK, BLOCK)


def test_the_evictions_of_a_dead_job_are_adopted_and_of_a_living_one_are_not(world: World) -> None:
    dead = world.claimed(1)
    stage(world, "left", "going")
    unpin(world, "left", "going")
    mark(world, dead.id, "left")
    world.advance(LEASE + 1)
    living, adopter = world.claimed(2), world.claimed(3)
    mark(world, living.id, "going")
    assert world.transaction(lambda: world.evicted_files.adopt(adopter.id)) == 1
    assert world.evicted_files.marked(adopter.id, 9) == ["left"]
    assert world.evicted_files.marked(living.id, 9) == ["going"]


def test_a_file_whose_evicting_job_is_dead_may_be_pulled_again_at_once(world: World) -> None:
    dead = world.claimed(1)
    stage(world, "a")
    unpin(world, "a")
    mark(world, dead.id, "a")
    world.advance(LEASE + 1)
    assert find(world, "a").puller == 0
    claim(world, world.claimed(2).id, spec("a"))
    forget(world, dead.id, "a")
    assert (find(world, "a").state, totals(world)) == (FileState.PULLING, (BLOCK, 0))


def mark(world: World, job_id: int, *names: str) -> None:
    world.transaction(lambda: world.evicted_files.mark(job_id, dict.fromkeys(names, BLOCK)))


def forget(world: World, job_id: int, *names: str) -> None:
    world.transaction(lambda: world.evicted_files.forget(job_id, names))


def least_recently_used(world: World, unused_for: float, limit: int) -> list[str]:
    found = world.transaction(lambda: world.evicted_files.least_recently_used(unused_for, limit))
    assert all(size == BLOCK for _, size in found)
    return [name for name, _ in found]


def released_bytes(world: World, since: float, within: float) -> int:
    return int(world.transaction(lambda: world.evicted_files.released_bytes(since, within)))
