"""Contract of the looks at files on tape: each file once for all carts, so many a second, the oldest due first."""

from __future__ import annotations

from tests.doubles.tape_looks import LOOKS
from tests.doubles.world import World
from workers.stores.recalls import FIRST_LOOK
from workers.stores.tape_looks import KEPT, SECOND, DueLooks, Look, OnTape


def test_a_file_is_looked_at_once_and_again_after_an_interval_that_grows(world: World) -> None:
    recalled(world, "a", "b")
    assert taken(world).looks == []
    waited = world.clock()
    world.advance(FIRST_LOOK)
    assert names(taken(world)) == ["a", "b"]
    world.advance(SECOND)
    assert names(taken(world)) == []
    world.advance(LOOKS.shortest_interval)
    assert names(taken(world)) == ["a", "b"]
    world.advance(800)
    assert names(taken(world)) == ["a", "b"]
    wait = taken(world, 2 * SECOND).wait
    assert wait is not None
    assert 90 < wait < (world.clock() - waited) / 8


def test_no_more_looks_are_taken_than_in_a_second_and_the_oldest_due_are_first(world: World) -> None:
    late = [f"late{number:02}" for number in range(LOOKS.per_second)]
    recalled(world, "z1", "z2")
    world.advance(0.5)
    recalled(world, *late)
    world.advance(FIRST_LOOK)
    first = taken(world)
    assert sorted(look.archive_id for look in first.looks[:2]) == ["z1", "z2"]
    assert len(first.looks) == LOOKS.per_second
    again = taken(world)
    assert (again.looks, again.wait is not None and 0 < again.wait <= SECOND) == ([], True)
    assert names(taken(world, SECOND + 0.1)) == late[-2:]


def test_the_next_looks_are_a_second_after_the_last_was_recorded(world: World) -> None:
    recalled(world, *[f"f{number:02}" for number in range(LOOKS.per_second + 1)])
    looks = taken(world, FIRST_LOOK).looks
    world.advance(5)
    world.transaction(lambda: world.looks.record(looks))
    assert taken(world, 0.5).looks == []
    assert len(taken(world, SECOND).looks) == LOOKS.per_second


def test_what_was_found_is_an_answer_for_every_cart_until_all_must_have_read_it(world: World) -> None:
    recalled(world, "a", "b", "c")
    a, b, c = taken(world, FIRST_LOOK).looks
    a.size, a.mtime_ns = 1 << 40, 1 << 60
    b.error, b.changed, b.failing_s, b.failing_at, b.failing_reason = "gone", True, 60, 2.5, "archive answered 500"
    world.transaction(lambda: world.looks.record([a, b, c]))
    answers = world.looks.answers(["a", "b", "c", "d"])
    assert (answers["a"].size, answers["a"].mtime_ns) == (1 << 40, 1 << 60)
    assert (answers["b"].size, answers["b"].failing_s, answers["b"].failing_at) == (None, 60, 2.5)
    assert answers.keys() == {"a", "b"}
    assert names(taken(world, 60)) == ["c"], "what is answered is not looked at again"
    assert world.transaction(lambda: world.recalls.delete_abandoned(10)) == 0
    world.advance(KEPT)
    assert world.transaction(lambda: world.recalls.delete_abandoned(10)) == 2
    assert world.looks.answers(["a", "b"]) == {}


def test_how_long_a_file_fails_is_kept_from_look_to_look(world: World) -> None:
    recalled(world, "a")
    [look] = taken(world, FIRST_LOOK).looks
    look.changed, look.failing_s, look.failing_at, look.failing_reason = True, 5.5, 7.5, "busy"
    world.transaction(lambda: world.looks.record([look]))
    [look] = taken(world, 60).looks
    assert (look.failing_s, look.failing_at, look.failing_reason) == (5.5, 7.5, "busy")
    look.changed, look.failing_s, look.failing_at, look.failing_reason = True, 0.0, None, ""
    world.transaction(lambda: world.looks.record([look]))
    [look] = taken(world, 60).looks
    assert (look.failing_s, look.failing_at, look.failing_reason) == (0, None, "")


def test_files_that_no_cart_needs_any_more_are_not_looked_at(world: World) -> None:
    recalled(world, "a", cart=1)
    recalled(world, "b", cart=2)
    world.transaction(lambda: world.jobs.delete_all(1))
    assert names(taken(world, FIRST_LOOK)) == ["b"]
    world.transaction(lambda: world.jobs.delete_all(2))
    assert taken(world, 60) == DueLooks([], 0)
    assert taken(world) == DueLooks([], None)


def test_a_window_shows_which_of_its_entries_have_news(world: World) -> None:
    cart = world.cart(files=6)
    page = world.entries.page(cart.id, 0, 6)
    for entry in page[:5]:
        entry.size, entry.on_tape = 1, 1
    world.transaction(lambda: world.entries.record_found(page))
    assert world.looks.on_tape(cart.id, 0, 6) == OnTape(5, 5), "nobody has recalled them"
    recalled(world, "f0", "f1", "f2", "f3")
    assert world.looks.on_tape(cart.id, 0, 6) == OnTape(5, 1)
    assert world.looks.on_tape(cart.id, 0, 2) == OnTape(2, 0)
    world.transaction(lambda: world.looks.record([Look("f0", "", size=1, mtime_ns=1)]))
    assert world.looks.on_tape(cart.id, 0, 2) == OnTape(2, 1)
    assert world.looks.on_tape(cart.id, 5, 1) == OnTape(0, 0)


def recalled(world: World, *archive_ids: str, cart: int = 9) -> None:
    assert world.recalls.claim(world.claimed(cart).id, archive_ids) == sorted(archive_ids)
    world.recalls.mark_requested(archive_ids)


def taken(world: World, after: float = 0.0) -> DueLooks:
    """`after`: seconds from now."""
    world.advance(after)
    due: DueLooks = world.transaction(world.looks.take)
    return due


def names(due: DueLooks) -> list[str]:
    return sorted(look.archive_id for look in due.looks)
