"""Requests that wait for a cart: `GET /{uid}?wait=20`. They hold no thread, and one query serves all of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from chalicelib.api.body_reader import Receive, disconnected
from chalicelib.stores.cart_row import UNFINISHED

log = logging.getLogger(__name__)

States = Callable[[Collection[int]], Mapping[int, str]]  # rows of carts -> the state of each live one


BeforeStop = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """Seconds between two looks, and how many may wait: in a process, and of one client address."""

    interval: float = 0.25
    total: int = 1000
    per_client: int = 20


@dataclass(frozen=True, slots=True)
class Wait:
    cart: int
    client: str
    seconds: float


class CartWaits:
    def __init__(self, states: States, before_stop: BeforeStop, policy: WaitPolicy = WaitPolicy()) -> None:
        """`before_stop` is told what to call when the server is about to stop."""
        self._states = states
        self._before_stop = before_stop
        self._policy = policy
        self._opened = self._stopping = False
        self._waiting: dict[asyncio.Future[None], Wait] = {}
        self._clients: Counter[str] = Counter()
        self._looks: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "waits")  # its own, so that busy routes do not delay it

    def open(self) -> None:
        """Within the event loop, before the first request."""
        if not self._opened:
            self._opened = True
            self._before_stop(self.end)

    async def until_over(self, wait: Wait, receive: Receive) -> bool:
        """Wait until the cart is no longer unfinished, or the time is up; at once if too many wait.

        Returns False if the client has gone.
        """
        if self._stopping or self._is_full(wait.client):
            return True
        with self._registered(wait) as over:
            gone = asyncio.ensure_future(disconnected(receive))
            try:
                await asyncio.wait([over, gone], timeout=wait.seconds, return_when=asyncio.FIRST_COMPLETED)
                return not gone.done()
            finally:
                gone.cancel()

    def end(self) -> None:
        """Answer every request that waits, and every later one, at once."""
        self._stopping = True
        self._wake_all()

    def _is_full(self, client: str) -> bool:
        return len(self._waiting) >= self._policy.total or self._clients[client] >= self._policy.per_client

    @contextmanager
    def _registered(self, wait: Wait) -> Iterator[asyncio.Future[None]]:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[over] = wait
        self._clients[wait.client] += 1
        if self._looks is None:
            self._looks = asyncio.ensure_future(self._look())
        try:
            yield over
        finally:
            del self._waiting[over]
            self._clients -= Counter([wait.client])

    async def _look(self) -> None:
        """Look at all carts that are waited for, again and again, until none is."""
        run = asyncio.get_running_loop().run_in_executor
        try:
            while self._waiting:
                await asyncio.sleep(self._policy.interval)
                carts = {wait.cart for wait in self._waiting.values()}
                states = await run(self._thread, self._states, carts)
                self._wake({cart for cart in carts if states.get(cart) not in UNFINISHED})
        except Exception as error:  # the routes will say what is wrong
            log.warning("waiting for carts: %s", error)
            self._wake_all()
        finally:
            self._looks = None

    def _wake_all(self) -> None:
        self._wake({wait.cart for wait in self._waiting.values()})

    def _wake(self, carts: Collection[int]) -> None:
        for over, wait in self._waiting.items():
            if wait.cart in carts and not over.done():
                over.set_result(None)
