"""Contract of the entry store: pages in order, and what was found out about the files."""

from __future__ import annotations

from dataclasses import replace

from tests.doubles.world import World


def test_entries_are_read_a_page_at_a_time_in_order(world: World) -> None:
    cart = world.cart(files=5)
    world.cart("other", files=3)
    assert [entry.position for entry in world.entries.page(cart.id, 0, 2)] == [0, 1]
    assert [entry.archive_id for entry in world.entries.page(cart.id, 3, 9)] == ["f3", "f4"]
    assert world.entries.page(cart.id, 5, 2) == []


def test_a_new_entry_is_as_posted_and_nothing_is_known_of_its_file(world: World) -> None:
    (entry,) = world.entries.page(world.cart(files=1).id, 0, 1)
    assert (entry.archive_id, entry.path, entry.hash_name, entry.hash_hex) == ("f0", "d/f0", "sha1", "0" * 40)
    assert (entry.size, entry.mtime_ns, entry.on_tape, entry.error) == (None, None, 0, "")
    assert (entry.failing_s, entry.failing_at) == (0, None)


def test_what_was_found_is_recorded_and_the_posted_columns_stay(world: World) -> None:
    cart = world.cart(files=2)
    (entry, other) = world.entries.page(cart.id, 0, 2)
    entry.size, entry.mtime_ns, entry.on_tape, entry.failing_s, entry.failing_at = 10, 20, True, 1.5, 3.0
    recorded = replace(entry)
    entry.path = "changed by mistake"
    world.transaction(lambda: world.entries.record_found([entry]))
    assert world.entries.page(cart.id, 0, 2) == [recorded, other]


def test_changing_an_entry_changes_no_row(world: World) -> None:
    cart = world.cart(files=1)
    world.entries.page(cart.id, 0, 1)[0].size = 10
    assert world.entries.page(cart.id, 0, 1)[0].size is None


def test_errors_are_counted_and_the_first_is_named(world: World) -> None:
    cart = world.cart(files=4)
    assert world.entries.errors(cart.id) == (0, None)
    failed = world.entries.page(cart.id, 1, 2)[::-1]
    for entry in failed:
        entry.error = f"no {entry.archive_id}"
    world.transaction(lambda: world.entries.record_found(failed))
    count, first = world.entries.errors(cart.id)
    assert count == 2
    assert first is not None
    assert (first.position, first.error) == (1, "no f1")


def test_what_was_found_is_forgotten_but_errors_stay(world: World) -> None:
    cart = world.cart(files=1)
    (entry,) = world.entries.page(cart.id, 0, 1)
    new = replace(entry)
    entry.size, entry.mtime_ns, entry.on_tape, entry.error = 10, 20, 1, "broken"
    entry.failing_s, entry.failing_at = 1.0, 2.0
    world.transaction(lambda: world.entries.record_found([entry]))
    world.transaction(lambda: world.entries.forget_found(cart.id))
    assert world.entries.page(cart.id, 0, 1) == [replace(new, error="broken")]


def test_entries_are_dropped_step_by_step_until_none_is_left(world: World) -> None:
    cart, other = world.cart(files=7), world.cart("other", files=2)
    dropped = [world.transaction(lambda: world.entries.drop_some(cart.id, 3)) for _ in range(5)]
    assert dropped == [3, 3, 1, 0, 0]
    assert len(world.entries.page(other.id, 0, 9)) == 2


def test_dropping_a_carts_entries_leaves_those_of_others(world: World) -> None:
    cart, other = world.cart(files=2), world.cart("other", files=2)
    world.transaction(lambda: world.entries.drop(cart.id))
    assert world.entries.page(cart.id, 0, 9) == []
    assert len(world.entries.page(other.id, 0, 9)) == 2
