"""Sending answers: at once, in pieces where they are large, and not for ever to a client that does not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chalicelib.api.answer_sender import PIECE, AnswerSender
from chalicelib.api.http_messages import HttpAnswer
from chalicelib.api.request_limits import RequestLimits

LIMITS = RequestLimits(max_body=1000, held=1000, held_answers=4 * PIECE, grace=0.05, rate=100 * PIECE, free=1000)
JSON = [("Content-Type", "application/json")]


class Client:
    """Takes messages until it has read `reads` of them."""

    def __init__(self, reads: int = 1000) -> None:
        self.reads = reads
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        if len(self.messages) >= self.reads:
            await asyncio.sleep(30)
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])


def sent(answer: HttpAnswer, method: str = "GET", client: Client | None = None) -> Client:
    client = client or Client()
    asyncio.run(AnswerSender(LIMITS).send(client.send, answer, method))
    return client


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_an_answer_is_sent_whole_with_its_length(size: int) -> None:
    client = sent(HttpAnswer(200, JSON, b"x" * size))
    assert client.body == b"x" * size
    assert (b"content-length", b"%d" % size) in client.messages[0]["headers"]
    assert [message.get("more_body", False) for message in client.messages[1:]][-1] is False
    assert all(len(message["body"]) <= PIECE for message in client.messages[1:])


def test_head_and_204_have_no_body() -> None:
    assert sent(HttpAnswer(200, JSON, b"x" * 2 * PIECE), "HEAD").body == b""
    client = sent(HttpAnswer(204, JSON, b"x"))
    assert (client.body, client.messages[0]["headers"]) == (b"", [])


def test_a_client_that_does_not_read_is_left() -> None:
    client = sent(HttpAnswer(200, JSON, b"x" * 3 * PIECE), client=Client(reads=2))
    assert len(client.body) == PIECE


def test_the_answers_held_at_once_are_bounded_and_small_ones_are_free() -> None:
    async def sending() -> None:
        sender, slow, late, small, after = AnswerSender(LIMITS), Client(reads=1), Client(), Client(), Client()
        large = HttpAnswer(200, JSON, b"x" * 3 * PIECE)
        first = asyncio.ensure_future(sender.send(slow.send, large, "GET"))
        await asyncio.sleep(0)
        await sender.send(late.send, large, "GET")
        assert late.messages[0]["status"] == 503
        assert (b"retry-after", b"5") in late.messages[0]["headers"]
        await sender.send(small.send, HttpAnswer(200, JSON, b"x" * 1000), "GET")
        assert small.messages[0]["status"] == 200
        await first
        await sender.send(after.send, large, "GET")
        assert after.body == large.body

    asyncio.run(sending())
