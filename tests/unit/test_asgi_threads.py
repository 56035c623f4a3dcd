"""Which requests of the ASGI application can hold up which others."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api.asgi_application import LARGE_BODY, Application
from chalicelib.api.gateway import Gateway
from chalicelib.api.request_limits import RequestLimits
from chalicelib.api.waiting import CartWaits

MANY = 40
MIB = 1 << 20


class Routes:
    """Answers GET at once, and POST when the test says so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, event: dict[str, Any], _: None) -> dict[str, Any]:
        if event["httpMethod"] == "POST":
            self.go_on.wait(30)
        return {"statusCode": 200, "headers": {}, "body": event["httpMethod"]}


@pytest.fixture
def routes() -> Iterator[Routes]:
    routes = Routes()
    yield routes
    routes.go_on.set()


async def status(application: Application, method: str, body: bytes) -> int:
    given = iter([{"type": "http.request", "body": body}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        message = next(given, None)
        if message is None:
            await asyncio.Event().wait()  # the client stays
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": method, "path": "/a", "query_string": b"", "headers": headers, "client": None}
    await application(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("body", [b" " * (LARGE_BODY + 1), gzip.compress(b'{"fileids":[' + b" " * MIB)])
def test_bodies_that_take_long_do_not_hold_up_other_requests(routes: Routes, body: bytes) -> None:
    """Gzip of a kilobyte may hold megabytes."""
    limits = RequestLimits(max_body=MIB, held=MANY * MIB)
    application = Application(Gateway(routes, ["/{uid}"]), limits, CartWaits(lambda _: {}, lambda _: None))

    async def run() -> None:
        posts = [asyncio.create_task(status(application, "POST", body)) for _ in range(MANY)]
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(status(application, "GET", b""), 10) == 200
        assert not any(post.done() for post in posts)
        routes.go_on.set()
        assert await asyncio.gather(*posts) == [200] * MANY

    asyncio.run(run())
