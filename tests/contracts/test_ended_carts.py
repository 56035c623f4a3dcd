"""Contract of the store of carts that are over: what is due to be cleared, and when a cart's row may go."""

from __future__ import annotations

from functools import partial

import pytest

from chalicelib.errors import CartNotFound
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.ended_carts import EndedCart
from tests.doubles.world import World

TTL, HISTORY = 1000.0, 9000.0


def failed(world: World, uid: str = "failed") -> Cart:
    cart = world.cart(uid)
    world.transaction(lambda: world.carts.fail(cart.id, "broken"))
    return cart


def deleted(world: World, uid: str = "deleted") -> Cart:
    cart = world.cart(uid)
    world.transaction(lambda: world.carts.retire(cart.id))
    return cart


def ready(world: World, uid: str = "ready") -> Cart:
    cart = world.cart(uid)
    world.carts.begin_staging(cart.id)
    world.transaction(lambda: world.carts.mark_ready(cart, 10, "etag", ""))
    return cart


def expired(world: World, uid: str = "expired") -> Cart:
    cart = ready(world, uid)
    world.transaction(lambda: world.carts.expire(cart.id))
    return cart


def cleared(world: World, *carts: Cart) -> None:
    for cart in carts:
        world.transaction(partial(world.ended_carts.mark_cleared, cart.id))


def delete(world: World, *carts: Cart) -> tuple[int, list[int]]:
    """The number of rows deleted, and the carts that others were told of."""
    told: list[int] = []
    ids = [cart.id for cart in carts]
    return world.transaction(lambda: world.ended_carts.delete(ids, told.append)), told


def test_a_failed_cart_is_due_after_a_time_and_the_others_at_once(world: World) -> None:
    error, over = failed(world), {deleted(world).id, expired(world).id}
    assert set(world.ended_carts.to_clear(TTL, 9)) == over
    world.advance(TTL + 5)
    assert set(world.ended_carts.to_clear(TTL, 9)) == over | {error.id}


def test_a_live_cart_is_never_due(world: World) -> None:
    world.carts.begin_staging(world.cart("staging").id)
    ready(world)
    world.advance(1e6)
    assert world.ended_carts.to_clear(TTL, 9) == []
    assert world.ended_carts.over_for(0, 9) == []


def test_a_cart_that_has_a_job_is_not_due_until_the_job_is_gone(world: World) -> None:
    cart = deleted(world)
    world.job(cart.id)
    assert world.ended_carts.to_clear(TTL, 9) == []
    assert not world.transaction(lambda: world.ended_carts.lock_uncleared(cart.id))
    world.transaction(lambda: world.jobs.delete_all(cart.id))
    assert world.ended_carts.to_clear(TTL, 9) == [cart.id]
    assert world.transaction(lambda: world.ended_carts.lock_uncleared(cart.id))


def test_a_cart_that_is_not_over_is_never_cleared(world: World) -> None:
    for cart in (world.cart("waiting"), ready(world)):
        assert not world.transaction(lambda cart=cart: world.ended_carts.lock_uncleared(cart.id))  # type: ignore[misc]


def test_a_cart_is_cleared_once(world: World) -> None:
    cart = deleted(world)
    cleared(world, cart)
    at = world.carts.get(cart.id).cleared_at
    assert at == pytest.approx(world.clock(), abs=10)
    world.advance(100)
    cleared(world, cart)
    assert world.carts.get(cart.id).cleared_at == at
    assert world.ended_carts.to_clear(TTL, 9) == []
    assert not world.transaction(lambda: world.ended_carts.lock_uncleared(cart.id))


def test_many_carts_are_due_a_few_at_a_time(world: World) -> None:
    carts = [deleted(world, f"d{number}") for number in range(4)]
    assert len(world.ended_carts.to_clear(TTL, 3)) == 3
    cleared(world, *carts[:3])
    assert world.ended_carts.to_clear(TTL, 3) == [carts[3].id]


def test_a_cart_is_old_by_its_end_and_the_oldest_come_first(world: World) -> None:
    first = [deleted(world, "d0"), failed(world, "f0"), expired(world, "e0")]
    world.advance(HISTORY / 2)
    second = [deleted(world, "d1"), failed(world, "f1"), expired(world, "e1")]
    assert world.ended_carts.over_for(HISTORY, 9) == []
    world.advance(HISTORY / 2 + 5)
    cleared(world, first[0])
    assert set(world.ended_carts.over_for(HISTORY, 9)) == {EndedCart(cart.id, cart is first[0]) for cart in first}
    world.advance(HISTORY / 2)
    assert {cart.id for cart in world.ended_carts.over_for(HISTORY, 1)} == {cart.id for cart in first}
    assert {cart.id for cart in world.ended_carts.over_for(HISTORY, 9)} == {cart.id for cart in first + second}


def test_a_cart_that_expired_long_after_it_was_ready_is_old_by_when_it_expired(world: World) -> None:
    cart = ready(world)
    world.advance(HISTORY * 3)
    world.transaction(lambda: world.carts.expire(cart.id))
    assert world.ended_carts.over_for(HISTORY, 9) == []


def test_only_cleared_carts_without_jobs_are_deleted(world: World) -> None:
    done, busy, full = deleted(world, "done"), deleted(world, "busy"), deleted(world, "full")
    cleared(world, done, busy)
    world.job(busy.id)
    assert delete(world, done, busy, full)[0] == 1
    with pytest.raises(CartNotFound):
        world.carts.get(done.id)
    assert {world.carts.get(cart.id).uid for cart in (busy, full)} == {"busy", "full"}


def test_others_are_told_of_the_carts_whose_rows_go(world: World) -> None:
    carts = [deleted(world, "a"), deleted(world, "b")]
    cleared(world, *carts)
    assert delete(world, *carts) == (2, [cart.id for cart in carts])
    assert delete(world, *carts)[0] == 0
