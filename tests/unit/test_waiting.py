"""Waiting for carts: one query for all, woken at the end of a cart, bounded in all and per client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import pytest

from chalicelib.api.waiting import CartWaits, Wait, WaitPolicy
from chalicelib.errors import DatabaseUnavailable

QUICK = WaitPolicy(interval=0.005, total=5, per_client=3)
LONG = 30.0  # no test waits so long


class States:
    """The states of carts, as the tests set them; counts the looks."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {1: "staging", 2: "waiting", 3: "bundling"}
        self.looks: list[Collection[int]] = []
        self.fails = False

    def __call__(self, cart_ids: Collection[int]) -> Mapping[int, str]:
        self.looks.append(cart_ids)
        if self.fails:
            raise DatabaseUnavailable
        return {cart: state for cart, state in self.states.items() if cart in cart_ids}


class Client:
    """What a server's `receive` says: first the empty body, then nothing, until the client goes."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def receive(self) -> dict[str, Any]:
        return await self._messages.get()

    def go(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


def waits(states: States, policy: WaitPolicy = QUICK) -> CartWaits:
    return CartWaits(states, lambda end: None, policy)


def running(test: Callable[[States], Awaitable[None]]) -> Callable[[], None]:
    async def within() -> None:
        await test(States())

    def run() -> None:
        asyncio.run(within())

    run.__name__ = test.__name__
    return run


def begin(waits: CartWaits, cart: int, client: str = "1.1.1.1", seconds: float = LONG) -> asyncio.Task[bool]:
    return asyncio.ensure_future(waits.until_over(Wait(cart, client, seconds), Client().receive))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


@running
async def test_a_wait_ends_when_its_cart_is_ready_and_others_go_on(states: States) -> None:
    carts = waits(states)
    one, other = begin(carts, 1), begin(carts, 2)
    await settle()
    assert not one.done()
    states.states[1] = "ready"
    assert await one
    assert not other.done()
    states.states[2] = "error"
    assert await other


@running
async def test_a_wait_ends_when_its_cart_is_deleted(states: States) -> None:
    wait = begin(waits(states), 1)
    await settle()
    del states.states[1]
    assert await wait


@running
async def test_a_wait_ends_when_its_time_is_up(states: States) -> None:
    assert await begin(waits(states), 1, seconds=0.02)


@running
async def test_all_who_wait_share_one_query_and_nobody_waits_none(states: States) -> None:
    carts = waits(states)
    tasks = [begin(carts, uid, client) for uid, client in ((1, "1"), (1, "2"), (2, "3"))]
    await settle()
    assert set(map(frozenset, states.looks)) == {frozenset({1, 2})}
    states.states |= {1: "ready", 2: "ready"}
    await asyncio.gather(*tasks)
    await settle()
    looks = len(states.looks)
    await settle()
    assert len(states.looks) == looks
    states.states[3] = "ready"
    assert await begin(carts, 3)


@running
async def test_over_the_bounds_a_wait_ends_at_once_and_places_come_back(states: States) -> None:
    carts = waits(states)
    own = [begin(carts, 1, "greedy") for _ in range(3)]
    await settle()
    assert await begin(carts, 1, "greedy"), "three of a client"
    others = [begin(carts, 2, f"{number}") for number in range(2)]
    await settle()
    assert await begin(carts, 3, "last"), "five in all"
    assert not any(task.done() for task in own + others)
    states.states[1] = "ready"
    await asyncio.gather(*own)
    again = begin(carts, 2, "greedy")
    await settle()
    assert not again.done()


@running
async def test_a_client_that_goes_ends_its_wait_and_frees_its_place(states: States) -> None:
    carts, client = waits(states, WaitPolicy(interval=0.005, total=1)), Client()
    wait = asyncio.ensure_future(carts.until_over(Wait(1, "1", LONG), client.receive))
    await settle()
    client.go()
    assert not await wait
    other = begin(carts, 1)
    await settle()
    assert not other.done()


@running
async def test_a_database_that_fails_ends_the_waits_for_the_route_to_say_so(states: States) -> None:
    carts = waits(states)
    states.fails = True
    assert await begin(carts, 1)
    states.fails = False
    wait = begin(carts, 1)
    await settle()
    assert not wait.done()


@running
async def test_a_server_that_stops_ends_all_waits_and_takes_no_more(states: States) -> None:
    told: list[Callable[[], None]] = []
    carts = CartWaits(states, told.append, QUICK)
    carts.open()
    carts.open()
    wait = begin(carts, 1)
    await settle()
    [end] = told
    end()
    assert await wait
    assert await begin(carts, 1)


@running
async def test_who_begins_to_wait_during_a_look_is_not_woken_by_it(states: States) -> None:
    loop, carts = asyncio.get_running_loop(), waits(states)
    late: list[asyncio.Task[bool]] = []

    def look(cart_ids: Collection[int]) -> Mapping[int, str]:
        if not late:
            asyncio.run_coroutine_threadsafe(join(), loop).result()
        return states(cart_ids)

    async def join() -> None:
        late.append(begin(carts, 2))
        await asyncio.sleep(0)

    carts._states = look
    begin(carts, 1)
    await settle()
    assert len(late) == 1
    assert not late[0].done()


@pytest.mark.parametrize("name", ["interval", "total", "per_client"])
def test_the_bounds_are_positive(name: str) -> None:
    assert getattr(WaitPolicy(), name) > 0
