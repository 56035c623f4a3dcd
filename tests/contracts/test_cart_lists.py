"""Contract of the lists of carts, on both databases."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chalicelib.stores.cart_lists import LISTED, CartListStore
from chalicelib.stores.cart_row import CartState
from tests.contracts.world import ShiftedDatabase, on_database
from tests.doubles.world import World

ALL = (1 << 63) - 1


@dataclass
class Listed:
    world: World
    lists: CartListStore

    def uids(self, owner: str | None, states: tuple[str, ...] = LISTED) -> list[str]:
        return [cart.uid for cart in self.lists.page(owner, states, ALL, 100).carts]


@pytest.fixture(params=["sqlite", "mysql"])
def listed(request: pytest.FixtureRequest) -> Listed:
    database: ShiftedDatabase = request.getfixturevalue(f"{request.param}_database")
    database.empty()
    return Listed(on_database(database), CartListStore(database))


def test_owners_names_are_compared_to_the_letter(listed: Listed) -> None:
    for owner in ("ann", "Ann", "änn", "a", ""):
        listed.world.cart(f"of-{owner.encode().hex()}", owner=owner)
    for owner in ("ann", "Ann", "änn", "a", ""):
        assert listed.uids(owner) == [f"of-{owner.encode().hex()}"]
    assert len(listed.uids(None)) == 5


def test_a_page_continues_where_the_one_before_it_ended(listed: Listed) -> None:
    made = [listed.world.cart(f"c{number}", owner="ann" if number % 2 else "ben") for number in range(10)]
    first = listed.lists.page("ann", LISTED, ALL, 3)
    assert ([cart.uid for cart in first.carts], first.next) == (["c9", "c7", "c5"], made[5].id)
    last = listed.lists.page("ann", LISTED, made[5].id, 3)
    assert ([cart.uid for cart in last.carts], last.next) == (["c3", "c1"], None)
    exactly = listed.lists.page("ann", LISTED, ALL, 5)
    assert (len(exactly.carts), exactly.next) == (5, None)


def test_only_live_carts_of_the_states_are_listed(listed: Listed) -> None:
    world = listed.world
    waiting, failed, gone = world.cart("w"), world.cart("f"), world.cart("g")
    world.transaction(lambda: world.carts.fail(failed.id, "why"))
    world.transaction(lambda: world.carts.retire(gone.id))
    assert listed.uids("") == ["f", "w"]
    assert listed.uids("", states=(CartState.ERROR,)) == ["f"]
    assert listed.uids("", states=(CartState.READY,)) == []
    [cart] = listed.lists.page("", (CartState.WAITING,), ALL, 1).carts
    assert (cart.id, cart.owner, cart.state, cart.ended_at) == (waiting.id, "", "waiting", None)
