"""Contract of the window store: guarded moves, taking, and who waits for space."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.db.states import WindowState
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.space_account import SpaceAccount
from tests.doubles.world import World
from workers.files import crc64nvme
from workers.stores.windows import Ahead, Counted, SumsPage, Window

CART, OLDER = 7, 3
ONLINE, TAKEN, RESERVED = WindowState.ONLINE, WindowState.TAKEN, WindowState.RESERVED


def test_windows_are_read_as_they_were_inserted(world: World) -> None:
    windows = [Window(0, 0, 3, 1000, 1, WindowState.TAPE), Window(1, 3, 2, 500, 4, ONLINE)]
    insert(world, CART, *windows)
    assert [world.windows.get(CART, 0), world.windows.get(CART, 1)] == windows
    assert world.windows.get(CART, 2) is None
    assert world.windows.get(OLDER, 0) is None


def test_windows_are_listed_by_state_in_order(world: World) -> None:
    insert(world, CART, window(2, ONLINE), window(0, TAKEN), window(1, ONLINE))
    assert [found.number for found in world.windows.in_state(CART, ONLINE)] == [1, 2]
    assert [found.number for found in world.windows.in_state(CART, ONLINE, TAKEN)] == [0, 1, 2]


def test_a_move_is_made_only_from_the_states_named(world: World) -> None:
    insert(world, CART, window(0, TAKEN))
    assert not move(world, 0, ONLINE, RESERVED)
    assert move(world, 0, TAKEN, RESERVED, counted_files=1, counted_bytes=9)
    assert not move(world, 0, TAKEN, RESERVED)
    assert not move(world, 1, TAKEN, RESERVED)
    assert world.windows.get(CART, 0) == replace(window(0, RESERVED), counted_files=1, counted_bytes=9)


def test_taking_returns_the_first_windows_that_are_online_each_once(world: World) -> None:
    insert(world, CART, *[window(number, ONLINE) for number in range(4)], window(4, WindowState.TAPE))
    assert world.transaction(lambda: world.windows.take(CART, 3)) == [0, 1, 2]
    assert world.transaction(lambda: world.windows.take(CART, 3)) == [3]
    assert world.transaction(lambda: world.windows.take(CART, 3)) == []
    assert len(world.windows.in_state(CART, TAKEN)) == 4


@pytest.mark.parametrize("state", [state for state in WindowState if state != TAKEN])
def test_only_a_taken_window_waits_for_space(world: World, state: WindowState) -> None:
    insert(world, OLDER, window(0, state))
    insert(world, CART, window(0, TAKEN))
    world.job(OLDER, JobKind.WINDOW)
    wait_for_space(world, OLDER, 0)
    wait_for_space(world, CART, 0)
    assert waiting_cart(world) == CART
    assert world.waiting.for_space(9) == []


def test_a_window_that_stays_marked_as_waiting_after_it_was_dropped_holds_up_no_other(world: World) -> None:
    insert(world, OLDER, window(0, TAKEN))
    wait_for_space(world, OLDER, 0)
    assert waiting_cart(world) == OLDER
    world.transaction(lambda: world.windows.move(OLDER, 0, (TAKEN,), WindowState.DROPPED))
    assert waiting_cart(world) is None


def test_what_waits_ahead_is_the_largest_of_the_older_carts_and_since_the_first(world: World) -> None:
    began = world.clock()
    for cart_id, number, needed in ((OLDER, 0, 500), (OLDER, 1, 900), (CART, 0, 700), (CART + 1, 0, 10_000)):
        insert(world, cart_id, window(number, TAKEN))
        wait_for_space(world, cart_id, number, needed)
        world.advance(10)
    assert ahead_of(world, OLDER) == Ahead(0, 0.0, 0)
    ahead = ahead_of(world, CART + 1)
    assert (ahead.largest, ahead.passed) == (900, 0)
    assert ahead.since == pytest.approx(began, abs=5)


def test_a_window_waits_since_it_began_and_for_what_it_needs_now(world: World) -> None:
    insert(world, OLDER, window(0, TAKEN))
    wait_for_space(world, OLDER, 0, 500)
    first = ahead_of(world, CART)
    world.advance(10)
    wait_for_space(world, OLDER, 0, 400)
    assert ahead_of(world, CART) == Ahead(400, first.since, 0)


def test_what_has_passed_counts_while_it_is_held(world: World) -> None:
    insert(world, CART, window(0, TAKEN), window(1, TAKEN))
    for number in (0, 1):
        assert move(world, number, TAKEN, RESERVED, passed_bytes=30)
    assert ahead_of(world, CART).passed == 60
    assert move(world, 0, RESERVED, WindowState.STAGED)
    assert ahead_of(world, CART).passed == 60
    assert move(world, 0, WindowState.STAGED, WindowState.DONE)
    assert ahead_of(world, CART).passed == 30


@pytest.mark.parametrize("state", list(WindowState))
def test_reserved_and_staged_windows_hold_space(world: World, state: WindowState) -> None:
    insert(world, CART, window(0, RESERVED), window(1, state))
    holds = state in (RESERVED, WindowState.STAGED)
    assert world.transaction(lambda: world.windows.others_hold_space(CART, 0)) == holds
    assert world.transaction(lambda: world.windows.others_hold_space(OLDER, 0))


def test_what_was_counted_is_recorded(world: World) -> None:
    insert(world, CART, window(0, RESERVED))
    world.transaction(lambda: world.windows.set_counted(CART, 0, Counted(2, 300, 40, "03")))
    found = replace(window(0, RESERVED), counted_files=2, counted_bytes=300, pulling_bytes=40)
    assert world.windows.get(CART, 0) == found
    assert found.counted() == (2, 300, 40)


def test_bytes_in_the_store_are_counted_while_a_window_is_staged(world: World) -> None:
    insert(world, CART, window(0, RESERVED), window(1, RESERVED))
    assert not world.transaction(lambda: world.windows.count_uploaded(CART, 0, 5))
    move(world, 0, RESERVED, WindowState.STAGED)
    assert world.transaction(lambda: world.windows.count_uploaded(CART, 0, 5))
    assert world.transaction(lambda: world.windows.count_uploaded(CART, 0, 7))
    assert not world.transaction(lambda: world.windows.count_uploaded(CART, 9, 5))
    assert [found.uploaded_bytes for found in world.windows.in_state(CART, *WindowState)] == [12, 0]


def test_checksums_of_all_windows_come_in_order(world: World) -> None:
    insert(world, CART, window(1, TAKEN), window(0, TAKEN))
    for number in (0, 1):
        move(world, number, TAKEN, WindowState.DONE, checksum=crc64nvme.to_hex(number + 5))
    assert world.windows.checksums(CART) == [(5, 100), (6, 100)]


def test_the_checksum_file_has_a_page_for_each_window_that_is_done_with_checksums(world: World) -> None:
    insert(world, CART, window(1, TAKEN), window(0, TAKEN), window(2, TAKEN), window(3, WindowState.HELD))
    insert(world, OLDER, window(0, TAKEN))
    move(world, 1, TAKEN, WindowState.DONE, sums="c" * 128, sums_length=150)
    move(world, 0, TAKEN, WindowState.DONE, sums="a" * 128, sums_length=140)
    move(world, 2, TAKEN, WindowState.DONE)
    assert world.windows.sums_pages(CART) == [SumsPage(0, 0, 2, 140), SumsPage(1, 2, 2, 150)]
    assert [world.windows.sums(CART, number) for number in (0, 1, 2, 9)] == ["a" * 128, "c" * 128, "", ""]


def test_the_checksums_of_a_hundred_thousand_files_fit_a_window(world: World) -> None:
    insert(world, CART, window(0, TAKEN))
    move(world, 0, TAKEN, WindowState.DONE, sums="0123456789abcdef" * 400_000)
    assert world.windows.sums(CART, 0) == "0123456789abcdef" * 400_000


def test_deleting_a_carts_windows_leaves_those_of_others(world: World) -> None:
    insert(world, CART, window(0, TAKEN))
    insert(world, OLDER, window(0, TAKEN))
    world.transaction(lambda: world.windows.delete_all(CART))
    assert world.windows.get(CART, 0) is None
    assert world.windows.get(OLDER, 0) is not None


def window(number: int, state: WindowState) -> Window:
    return Window(number, number * 2, 2, 100, number + 1, state)


def insert(world: World, cart_id: int, *windows: Window) -> None:
    world.transaction(lambda: world.windows.insert(cart_id, windows))


def move(world: World, number: int, before: WindowState, after: WindowState, **values: object) -> bool:
    moved: bool = world.transaction(lambda: world.windows.move(CART, number, (before,), after, **values))
    return moved


def wait_for_space(world: World, cart_id: int, number: int, needed: int = 100) -> None:
    world.transaction(lambda: world.windows.wait_for_space(cart_id, number, needed))


def waiting_cart(world: World) -> int | None:
    account: SpaceAccount = world.transaction(world.account.lock)
    return account.waiting_cart


def ahead_of(world: World, cart_id: int) -> Ahead:
    ahead: Ahead = world.transaction(lambda: world.windows.ahead_of(cart_id))
    return ahead
