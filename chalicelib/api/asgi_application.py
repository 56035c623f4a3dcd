"""The routes as an ASGI application: awaits each request's body within limits, then runs the route in a thread.

No client that is slow to send holds a thread, so slow clients do not delay others; docs/adr/0027 has the kinds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote

from chalicelib.api.answer_sender import AnswerSender, Send
from chalicelib.api.body_reader import BodyReader, BodyTooSlow, Receive, TooManyBodies, disconnected
from chalicelib.api.browser import ONLY_OWN_PAGES, BrowserRules
from chalicelib.api.gateway import PATH_CHARS, Gateway
from chalicelib.api.http_messages import HttpAnswer, HttpRequest, refusal
from chalicelib.api.request_limits import ByteBudget, RequestLimits
from chalicelib.api.request_log import turned_away
from chalicelib.api.waiting import CartWaits, Wait
from chalicelib.errors import BadRequest, BodyTooLarge, CartError
from chalicelib.manifest.gunzip import MAGIC

Scope = Mapping[str, Any]

THREADS = 8
LONG_THREADS = 2  # large bodies and pages of files take long, and have threads of their own: HEAD does not queue behind
LARGE_BODY = 64 << 10  # bytes
CLOSE = ("Connection", "close")
STATUS_OF = ((BodyTooLarge, 413), (BodyTooSlow, 408), (TooManyBodies, 503), (BadRequest, 400))


class TurnedAway(CartError):
    """The request is answered before its body is read."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__()
        self.answer = replace(answer, headers=[*answer.headers, CLOSE])


@dataclass(frozen=True, slots=True)
class Doors:
    """Answers to requests that may not go on, None to others: by the address they arrived at, and by their login."""

    address: Callable[[object], HttpAnswer | None]
    login: Callable[[HttpRequest], HttpAnswer | None]


OPEN_DOORS = Doors(lambda _: None, lambda _: None)


class Application:
    def __init__(
        self,
        gateway: Gateway,
        limits: RequestLimits,
        waits: CartWaits,
        doors: Doors = OPEN_DOORS,
        browser: BrowserRules = ONLY_OWN_PAGES,
    ) -> None:
        self._gateway = gateway
        self._doors = doors
        self._browser = browser
        self._limits = limits
        self._budget = ByteBudget(limits.held)
        self._waits = waits
        self._sender = AnswerSender(limits)
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._body_threads = ThreadPoolExecutor(LONG_THREADS, "large-body")
        self._page_threads = ThreadPoolExecutor(LONG_THREADS, "page-of-files")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks only HTTP, not {scope['type']}")
        self._waits.open()
        request = _head(scope)
        body = BodyReader(receive, request.headers, self._limits, self._budget, lambda: self._admit(request))
        answer: HttpAnswer | None
        try:
            self._check_address(scope)
            whole = replace(request, body=content) if (content := await body.read()) else request
            answer = await self._answered(whole, receive)
        except CartError as error:
            refused = error.answer if isinstance(error, TurnedAway) else _refused(error)
            answer = turned_away(request, refused).for_browsers(self._browser, request)
            if not isinstance(error, BodyTooSlow):
                await body.discard()
        finally:
            body.close()
        if answer is not None:
            await self._sender.send(send, answer, request.method)

    def _check_address(self, scope: Scope) -> None:
        answer = self._doors.address((scope.get("server") or (None,))[0])
        if answer is not None:
            raise TurnedAway(answer)

    async def _admit(self, request: HttpRequest) -> None:
        """Before a large body is read: who may not send one must not fill the memory."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._doors.login, request)
        answer = await running
        if answer is not None:
            raise TurnedAway(answer)

    async def _answered(self, request: HttpRequest, receive: Receive) -> HttpAnswer | None:
        """The answer; None if its client has gone."""
        if len(request.body) > LARGE_BODY or request.body.startswith(MAGIC):  # a kilobyte of gzip may hold megabytes
            return await self._run_unless_gone(self._body_threads, request, receive)
        if request.path.endswith("/files"):
            return await self._run_unless_gone(self._page_threads, request, receive)
        answer = await self._run(self._threads, request)
        wait = _wait(request, answer.cart)
        if wait is None:
            return answer
        if not await self._waits.until_over(wait, receive):
            return None
        return await self._run(self._threads, request)

    def _run(self, threads: Executor, request: HttpRequest) -> asyncio.Future[HttpAnswer]:
        return asyncio.get_running_loop().run_in_executor(threads, self._gateway.answer, request)

    async def _run_unless_gone(self, threads: Executor, request: HttpRequest, receive: Receive) -> HttpAnswer | None:
        """The answer; None, and no work if it has not begun, once the client has gone."""
        running = self._run(threads, request)
        gone: asyncio.Future[None] = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
            return running.result() if running.done() else None
        finally:
            gone.cancel()
            running.cancel()


def _head(scope: Scope) -> HttpRequest:
    raw = scope.get("raw_path") or quote(scope["path"], safe=PATH_CHARS).encode()
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return HttpRequest(
        scope["method"],
        raw.decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        address=(scope["client"] or ("",))[0],
        server=(scope.get("server") or ("",))[0],
    )


def _wait(request: HttpRequest, cart: int) -> Wait | None:
    """What the client asked for, if it did; the route has checked that it is a number in range."""
    asked = parse_qs(request.query).get("wait") if cart else None
    return Wait(cart, request.address, float(asked[-1])) if asked else None


def _refused(error: CartError) -> HttpAnswer:
    status = next(code for kind, code in STATUS_OF if isinstance(error, kind))
    return refusal(status, error.message, *[CLOSE] * (status != 400))
