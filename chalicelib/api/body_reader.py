"""Reads a request's body from an ASGI server within its limits, without holding a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chalicelib.api.request_limits import ByteBudget, RequestLimits
from chalicelib.errors import BadRequest, BodyTooLarge, CartError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Admit = Callable[[], Awaitable[None]]


class BodyTooSlow(CartError):
    """The request's body did not arrive in time."""


class TooManyBodies(CartError):
    """The server holds as many request bodies as it can; try again in a moment."""


async def anybody() -> None:
    """Admits every request."""


class BodyReader:
    """Reads one body. After `read`, also after an error, `close` gives back what it took from the budget."""

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        limits: RequestLimits,
        budget: ByteBudget,
        admit: Admit = anybody,
    ) -> None:
        """`admit`: called once before more than `free` bytes are read; what it raises, `read` raises."""
        self._receive = receive
        self._admit = admit
        self._admitted = False
        self._limits = limits
        self._budget = budget
        self._length = _declared_length(headers)
        self._sends_after_leave = "expect" in headers
        self._arrived = self._blocks = self._taken = 0

    async def read(self) -> bytes:
        """Raises BodyTooLarge, TooManyBodies, BodyTooSlow, or BadRequest for a body that breaks off or is malformed."""
        if self._length == 0:
            return b""
        if self._length is not None and self._length > self._limits.max_body:
            raise BodyTooLarge(self._limits.max_body)
        if self._length is not None and self._length > self._limits.free:
            await self._ask_once()
        body = bytearray()  # not a list: a chunk of one byte would take fifty
        began = asyncio.get_running_loop().time() + self._limits.grace
        try:
            async with asyncio.timeout_at(began) as deadline:
                while (block := await self._next()) is not None:
                    body += block
                    deadline.reschedule(began + self._arrived / self._limits.rate)
        except TimeoutError:
            raise BodyTooSlow from None
        return bytes(body)

    async def discard(self) -> None:
        """Read on after a refusal for a while: a client that is still sending does not look for the answer."""
        if self._sends_after_leave and not self._arrived:
            return
        limits = self._limits
        try:
            async with asyncio.timeout(limits.grace):
                for _ in range(limits.blocks):
                    message = await asyncio.wait_for(self._receive(), limits.pause)
                    self._arrived += len(message.get("body", b""))
                    if not message.get("more_body") or self._arrived >= 2 * limits.max_body:
                        return
        except TimeoutError:
            return

    def close(self) -> None:
        self._budget.give_back(self._taken)
        self._taken = 0

    async def _next(self) -> bytes | None:
        """The next bytes of the body; None after the last."""
        if self._blocks < 0:
            return None
        message = await self._receive()
        if message["type"] != "http.request":
            raise BadRequest("body: it is truncated or malformed")
        block: bytes = message.get("body", b"")
        self._arrived += len(block)
        self._blocks += 1
        self._check()
        if self._arrived > self._limits.free:
            await self._ask_once()
        if not message.get("more_body"):
            self._blocks = -1
        return block

    async def _ask_once(self) -> None:
        if not self._admitted:
            await self._admit()
            self._admitted = True

    def _check(self) -> None:
        limits = self._limits
        if self._arrived > limits.max_body:
            raise BodyTooLarge(limits.max_body)
        if self._blocks > limits.blocks + self._arrived // limits.least_block:
            raise BadRequest("body: its chunks are too small")
        more = max(0, self._arrived - limits.free) - self._taken
        if not self._budget.take(more):
            raise TooManyBodies
        self._taken += more


async def disconnected(receive: Receive) -> None:
    """Ends when the client of a request that has been read is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _declared_length(headers: Mapping[str, str]) -> int | None:
    """The body's length in bytes, None if only its end will tell. The server has checked the headers' form."""
    if "transfer-encoding" in headers:
        return None
    return int(headers.get("content-length", "0").lstrip("0")[:20] or "0")
