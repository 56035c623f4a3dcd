"""The API under an ASGI server: `granian --interface asginl asgi:application`."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Callable, Collection

from app import app, system
from chalicelib.api.asgi_application import Application, Doors
from chalicelib.api.browser import browser_rules
from chalicelib.api.gateway import Gateway, answer_of
from chalicelib.api.http_messages import HttpAnswer, HttpRequest
from chalicelib.api.request_limits import RequestLimits
from chalicelib.api.server_address import LoopbackOnly
from chalicelib.api.startup import checked_settings, end_with_parent
from chalicelib.api.waiting import CartWaits
from chalicelib.auth.credentials import Credentials
from chalicelib.config.log_context import logged_with
from chalicelib.errors import CartError


def __getattr__(name: str) -> Application:
    """`application`: built when the server asks for it, because importing this module does no I/O."""
    if name != "application":
        raise AttributeError(name)
    return _application()


@functools.cache
def _application() -> Application:
    """Check the settings and migrate the tables before the first request is served."""
    try:
        settings = checked_settings(os.environ)
        loopback = LoopbackOnly(settings)
        loopback.check_start(sys.argv, os.environ)
    except CartError as error:
        raise SystemExit(error.message) from None
    end_with_parent()
    system().health.serve(settings.metrics_address)
    limits = RequestLimits(settings.max_body, held=2 * settings.max_body)
    doors = Doors(loopback.refused, _login_refusal)
    waits = CartWaits(_states, _before_stop)
    return Application(Gateway(app, app.routes), limits, waits, doors, browser_rules(settings))


def _login_refusal(request: HttpRequest) -> HttpAnswer | None:
    shown = Credentials(request.headers.get("authorization"), address=request.address)
    with logged_with(request=request.id):
        response = app.login_refusal(request.method, shown)
    return None if response is None else answer_of(response.to_dict())


def _states(cart_ids: Collection[int]) -> dict[int, str]:
    return system().carts.states(cart_ids)


def _before_stop(end_waits: Callable[[], None]) -> None:
    """A server that is told to stop waits for its requests, so those that wait for a cart are answered first.

    SIGINT then stops the server, as SIGTERM would have.
    """

    def stop() -> None:
        end_waits()
        os.kill(os.getpid(), signal.SIGINT)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
