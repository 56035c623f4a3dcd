"""Sends answers through an ASGI server, without letting a client that does not read hold their bytes for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from chalicelib.api.http_messages import HttpAnswer, refusal
from chalicelib.api.request_limits import ByteBudget, RequestLimits

Send = Callable[[dict[str, Any]], Awaitable[None]]

PIECE = 64 << 10  # bytes; a server takes an answer of one piece at once, and waits between several

log = logging.getLogger(__name__)


class AnswerSender:
    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._budget = ByteBudget(limits.held_answers)

    async def send(self, send: Send, answer: HttpAnswer, method: str) -> None:
        """Send the answer to a request of this method; 503 instead if too many bytes of answers are held already."""
        counted = max(0, len(answer.body) - self._limits.free)
        if not self._budget.take(counted):
            counted, answer = 0, refusal(503, "Too many clients are reading large answers; try again in a moment.")
        try:
            await self._send(send, answer.framed(method))
        finally:
            self._budget.give_back(counted)

    async def _send(self, send: Send, answer: HttpAnswer) -> None:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if len(answer.body) <= PIECE:
            await send({"type": "http.response.body", "body": answer.body})
            return
        try:
            await self._send_pieces(send, answer.body)
        except TimeoutError:
            log.info("a client did not read its answer of %d bytes in time", len(answer.body))

    async def _send_pieces(self, send: Send, body: bytes) -> None:
        """Raises TimeoutError; the server then closes the connection, because the answer is not complete."""
        loop, limits = asyncio.get_running_loop(), self._limits
        async with asyncio.timeout(limits.grace) as deadline:
            latest = loop.time() + limits.grace
            for begin in range(0, len(body), PIECE):
                more = begin + PIECE < len(body)
                await send({"type": "http.response.body", "body": body[begin : begin + PIECE], "more_body": more})
                deadline.reschedule(latest + begin / limits.rate)
