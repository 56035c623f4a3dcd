"""Contract of the share store, on both databases: a share ends by time, by its owner, and with its cart."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from chalicelib.db.access_models import CartShares
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.cart_shares import WITH_LINK, CartShare, CartShareStore
from tests.contracts.test_carts import record_layout
from tests.contracts.world import ShiftedDatabase, on_database
from tests.doubles.world import World

HOUR = 3600.0


@dataclass
class Shared:
    database: ShiftedDatabase
    world: World
    shares: CartShareStore

    def add(self, cart: Cart, recipient: str = "ben", life: float = HOUR) -> tuple[CartShare, str]:
        now = self.database.clock()
        return self.database.transaction(lambda: self.shares.add(cart.id, recipient, now, now + life))

    def rows(self) -> int:
        with self.database.session() as db:
            return int(CartShares.select().count(db))


@pytest.fixture(params=["sqlite", "mysql"])
def shared(request: pytest.FixtureRequest) -> Shared:
    database: ShiftedDatabase = request.getfixturevalue(f"{request.param}_database")
    database.empty()
    return Shared(database, on_database(database), CartShareStore(database))


def test_a_share_is_found_by_its_token_alone(shared: Shared) -> None:
    cart = shared.world.cart()
    one, token = shared.add(cart)
    other, other_token = shared.add(cart, WITH_LINK)
    assert shared.shares.find(token) == one
    assert shared.shares.find(other_token) == other
    assert (one.recipient, one.is_link, other.is_link) == ("ben", False, True)
    for wrong in ("", token[:-1], token.swapcase(), token + " ", "ü", "\udcff", one.recipient):
        assert shared.shares.find(wrong) is None


def test_each_token_is_another_and_has_128_bits(shared: Shared) -> None:
    cart = shared.world.cart()
    tokens = {shared.add(cart)[1] for _ in range(50)}
    assert (len(tokens), {len(token) for token in tokens}) == (50, {22})


def test_the_shares_of_a_cart_are_its_own_and_in_order(shared: Shared) -> None:
    cart, other = shared.world.cart("a"), shared.world.cart("b")
    mine = [shared.add(cart, name)[0] for name in ("x", "y", WITH_LINK)]
    shared.add(other)
    assert shared.shares.of_cart(cart.id) == mine
    assert (shared.shares.count(cart.id), shared.shares.count(other.id), shared.shares.count(99)) == (3, 1, 0)


def test_a_share_is_over_when_its_time_is(shared: Shared) -> None:
    cart = shared.world.cart()
    share, token = shared.add(cart, life=HOUR)
    shared.database.advance(HOUR - 60)
    assert shared.shares.find(token) == share
    shared.database.advance(61)
    assert shared.shares.find(token) is None
    assert (shared.shares.of_cart(cart.id), shared.shares.count(cart.id)) == ([], 0)
    assert not shared.shares.revoke(cart.id, share.id)


def test_a_share_is_revoked_once_and_only_as_one_of_its_cart(shared: Shared) -> None:
    cart, other = shared.world.cart("a"), shared.world.cart("b")
    share, token = shared.add(cart)
    assert not shared.shares.revoke(other.id, share.id)
    assert shared.shares.find(token) == share
    assert shared.shares.revoke(cart.id, share.id)
    assert not shared.shares.revoke(cart.id, share.id)
    assert (shared.shares.find(token), shared.shares.count(cart.id)) == (None, 0)


def test_one_of_many_who_revoke_at_once_does(shared: Shared) -> None:
    cart = shared.world.cart()
    share, _ = shared.add(cart)
    revoked: list[bool] = []

    def revoke() -> None:
        revoked.append(shared.shares.revoke(cart.id, share.id))
        shared.database.close()

    threads = [threading.Thread(target=revoke) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revoked) == [False] * 7 + [True]


def test_a_share_ends_with_its_cart(shared: Shared) -> None:
    world = shared.world
    failed, expired, deleted = world.cart("failed"), record_layout(world), world.cart("deleted")
    tokens = [shared.add(cart)[1] for cart in (failed, expired, deleted)]
    world.transaction(lambda: world.carts.fail(failed.id, "gone"))
    world.transaction(lambda: world.carts.mark_ready(expired, 1, "", ""))
    assert None not in [shared.shares.find(token) for token in tokens], "a failed or ready cart is still shared"
    world.transaction(lambda: world.carts.expire(expired.id))
    world.transaction(lambda: world.carts.retire(deleted.id))
    assert [shared.shares.find(token) is None for token in tokens] == [False, True, True]
    world.cart("deleted")
    assert shared.shares.find(tokens[2]) is None, "another cart of this uid is not shared"


def test_what_ended_is_deleted_after_a_while_and_never_what_is_valid(shared: Shared) -> None:
    cart = shared.world.cart()
    revoked, _ = shared.add(cart, life=10 * HOUR)
    shared.add(cart, life=HOUR)
    _, token = shared.add(cart, life=100 * HOUR)
    shared.shares.revoke(cart.id, revoked.id)
    assert shared.shares.delete_ended(24 * HOUR, 10) == 0
    shared.database.advance(24 * HOUR + 60)
    assert (shared.shares.delete_ended(24 * HOUR, 10), shared.rows()) == (1, 2)
    shared.database.advance(2 * HOUR)
    assert (shared.shares.delete_ended(24 * HOUR, 10), shared.rows()) == (1, 1)
    assert shared.shares.find(token) is not None


def test_one_sweep_deletes_a_bounded_number(shared: Shared) -> None:
    cart = shared.world.cart()
    for _ in range(5):
        shared.add(cart, life=1)
    shared.database.advance(100)
    assert [shared.shares.delete_ended(10, 2) for _ in range(4)] == [2, 2, 1, 0]
