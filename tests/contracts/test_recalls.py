"""Contract of the recall store: one recall per file across all carts."""

from __future__ import annotations

from functools import partial

from tests.doubles.world import LEASE, World
from workers.stores.recalls import CLAIM_LIFE
from workers.stores.tape_looks import Look


def test_one_job_recalls_a_file(world: World) -> None:
    first, second = world.claimed(1), world.claimed(2)
    assert world.recalls.claim(first.id, {"b", "a"}) == ["a", "b"]
    assert world.recalls.claim(second.id, {"b", "c"}) == ["c"]
    assert world.recalls.claim(first.id, {"a", "b"}) == []


def test_a_claim_without_an_accepted_recall_lapses(world: World) -> None:
    first, second = world.claimed(1), world.claimed(2)
    world.recalls.claim(first.id, ["a"])
    world.advance(CLAIM_LIFE - 5)
    assert world.recalls.claim(second.id, ["a"]) == []
    world.advance(10)
    assert world.recalls.claim(second.id, ["a"]) == ["a"]


def test_an_accepted_recall_does_not_lapse(world: World) -> None:
    first, second = world.claimed(1), world.claimed(2)
    world.recalls.claim(first.id, ["a"])
    world.recalls.mark_requested(["a"])
    world.advance(CLAIM_LIFE * 100)
    assert world.recalls.claim(second.id, ["a"]) == []


def test_a_refused_recall_may_be_claimed_again_at_once_but_an_accepted_one_stays(world: World) -> None:
    job = world.claimed(1)
    world.recalls.claim(job.id, ["a", "b"])
    world.recalls.mark_requested(["b"])
    world.recalls.release(["a", "b"])
    assert world.recalls.claim(job.id, ["a", "b"]) == ["a"]


def test_a_file_that_was_answered_may_be_recalled_again(world: World) -> None:
    job = world.claimed(1)
    world.recalls.claim(job.id, ["a", "b"])
    world.recalls.mark_requested(["a", "b"])
    world.transaction(lambda: world.looks.record([Look("a", "", size=1, mtime_ns=2)]))
    assert world.recalls.claim(job.id, ["a", "b"]) == ["a"]


def test_the_recalls_of_a_job_that_is_gone_are_void(world: World) -> None:
    first, second = world.claimed(1), world.claimed(2)
    world.recalls.claim(first.id, ["a"])
    world.recalls.mark_requested(["a"])
    world.advance(LEASE + 1)
    assert world.recalls.claim(second.id, ["a"]) == [], "its row is there, lease or not"
    world.transaction(lambda: world.jobs.delete_all(1))
    assert world.recalls.claim(second.id, ["a"]) == ["a"]


def test_the_recalls_of_jobs_that_are_gone_are_deleted_a_few_at_a_time(world: World) -> None:
    kept, gone, other = (world.claimed(cart) for cart in (1, 2, 3))
    world.recalls.claim(gone.id, ["a", "b", "c"])
    world.recalls.claim(kept.id, ["d"])
    world.recalls.claim(other.id, ["e"])
    for cart in (2, 3):
        world.transaction(partial(world.jobs.delete_all, cart))
    deleted = [world.transaction(lambda: world.recalls.delete_abandoned(3)) for _ in range(3)]
    assert deleted == [3, 1, 0]
    assert world.recalls.claim(world.claimed(4).id, list("abcde")) == ["a", "b", "c", "e"]


def test_no_file_is_claimed_where_none_is_named(world: World) -> None:
    assert world.recalls.claim(world.claimed(1).id, []) == []
    world.recalls.mark_requested([])
    world.recalls.release([])
