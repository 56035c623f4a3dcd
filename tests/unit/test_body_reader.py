"""Reading bodies: limits, the deadline that moves with what arrives, and what is held of all bodies at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.api.body_reader import BodyReader, BodyTooSlow, TooManyBodies
from chalicelib.api.request_limits import ByteBudget, RequestLimits
from chalicelib.errors import BadRequest, BodyTooLarge

LIMITS = RequestLimits(max_body=1000, held=1500, grace=0.05, rate=10_000, free=100, blocks=50, pause=0.01)
CHUNKED = {"transfer-encoding": "chunked"}


class Client:
    """Sends these blocks, each after a pause; then it is silent, ends the body or goes."""

    def __init__(self, blocks: Iterable[bytes], then: str = "end", pause: float = 0.0) -> None:
        self._blocks = iter(blocks)
        self._then = then
        self._pause = pause
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(self._pause)
        block = next(self._blocks, None)
        if block is not None:
            return {"type": "http.request", "body": block, "more_body": True}
        if self._then == "silence":
            await asyncio.sleep(30)
        return {"type": "http.request", "more_body": False} if self._then == "end" else {"type": "http.disconnect"}


def read(client: Client, headers: dict[str, str], budget: ByteBudget | None = None) -> bytes:
    async def reading() -> bytes:
        reader = BodyReader(client.receive, headers, LIMITS, budget or ByteBudget(LIMITS.held))
        try:
            return await reader.read()
        except BodyTooLarge:
            await reader.discard()
            raise

    return asyncio.run(reading())


def test_a_body_is_put_together_from_its_blocks() -> None:
    assert read(Client([b"ab", b"", b"c"]), {"content-length": "3"}) == b"abc"
    assert read(Client([b"x" * 500] * 2), CHUNKED) == b"x" * 1000


@pytest.mark.parametrize("headers", [{}, {"content-length": "0"}, {"content-length": "000"}])
def test_a_request_without_a_body_is_not_waited_for(headers: dict[str, str]) -> None:
    client = Client([], "silence")
    assert read(client, headers) == b""
    assert client.asked == 0


@pytest.mark.parametrize("length", ["1001", "1000000000000000000", "9" * 5000, "0" * 5000 + "1001"])
def test_a_declared_length_over_the_limit_is_refused(length: str) -> None:
    with pytest.raises(BodyTooLarge):
        read(Client([b"x" * 10]), {"content-length": length})


def test_a_body_over_the_limit_is_refused_and_read_on_for_a_while() -> None:
    client = Client([b"x" * 100] * 15)
    with pytest.raises(BodyTooLarge):
        read(client, CHUNKED)
    assert client.asked == 16, "up to its end"
    endless = Client([b"x" * 100] * 1000)
    with pytest.raises(BodyTooLarge):
        read(endless, CHUNKED)
    assert endless.asked == 20, "or twice the limit"
    silent = Client([b"x" * 1001], "silence")
    with pytest.raises(BodyTooLarge):
        read(silent, CHUNKED)


def test_a_refused_body_that_waits_for_leave_is_not_waited_for() -> None:
    client = Client([], "silence")
    with pytest.raises(BodyTooLarge):
        read(client, {"content-length": "1001", "expect": "100-continue"})
    assert client.asked == 0


@pytest.mark.parametrize("begun", [[], [b"x"], [b"x" * 100] * 5])
def test_a_body_that_stops_is_too_slow(begun: list[bytes]) -> None:
    with pytest.raises(BodyTooSlow):
        read(Client(begun, "silence"), {"content-length": "900"})


def test_a_body_that_drips_is_too_slow_and_one_at_the_rate_is_not() -> None:
    with pytest.raises(BodyTooSlow):
        read(Client([b"x"] * 40, pause=0.01), CHUNKED)
    slow = RequestLimits(max_body=1000, held=1500, grace=0.05, rate=100)

    async def reading() -> bytes:
        client = Client([b"x" * 10] * 10, pause=0.01)
        return await BodyReader(client.receive, CHUNKED, slow, ByteBudget(1500)).read()

    assert asyncio.run(reading()) == b"x" * 100


def test_a_body_that_breaks_off_is_refused() -> None:
    with pytest.raises(BadRequest, match="truncated or malformed"):
        read(Client([b"x"], "goes"), {"content-length": "9"})


def test_many_small_blocks_are_refused_and_a_few_are_not() -> None:
    assert read(Client([b"x"] * 40), CHUNKED) == b"x" * 40
    assert read(Client([b"x" * 16] * 60), CHUNKED) == b"x" * 960
    with pytest.raises(BadRequest, match="too small"):
        read(Client([b"x"] * 70), CHUNKED)


def test_the_bodies_held_at_once_are_bounded_and_small_ones_are_free() -> None:
    budget = ByteBudget(LIMITS.held)

    async def reading() -> None:
        readers = [BodyReader(Client([b"x" * 500] * 2).receive, CHUNKED, LIMITS, budget) for _ in range(3)]
        assert await readers[0].read() == b"x" * 1000  # 900 count
        with pytest.raises(TooManyBodies):
            await readers[1].read()
        small = BodyReader(Client([b"x" * 100]).receive, CHUNKED, LIMITS, budget)
        assert len(await small.read()) == 100
        readers[1].close()
        readers[0].close()
        readers[0].close()
        assert len(await readers[2].read()) == 1000
        readers[2].close()

    asyncio.run(reading())
    assert budget.take(LIMITS.held)
    assert not budget.take(1)
