"""The HTTP API: routes only. Each parses the request, calls one use case and builds the response; see docs/api.md."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from chalice.app import Rate, Request, Response

from chalicelib.api import health_responses, list_responses, request_body, responses
from chalicelib.api.browser import BrowserRules, browser_rules
from chalicelib.api.chalice_app import Api
from chalicelib.api.lazy import lazy
from chalicelib.api.parameters import LONGEST_WAIT, file_page, listed, number, query
from chalicelib.api.share_routes import ShareRoutes
from chalicelib.auth.decision import Authenticator
from chalicelib.aws.secret_settings import with_secrets
from chalicelib.caller import Caller, Scope
from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.errors import CartNotFound
from chalicelib.refusals import Refusals
from chalicelib.service import CartService
from chalicelib.shared_carts import SharedCarts
from chalicelib.sharing import Sharing
from chalicelib.start_line import log_start
from chalicelib.wiring import API_READ_TIMEOUT, API_TIMEOUTS, System, build

CARTS, MOST_CARTS = 100, 1000  # in one page of /-/carts: by default, and at most
NEWEST = (1 << 63) - 1  # above every cart's row
WRONG_METHOD = {
    ("PUT", "/{uid}"): "POST the manifest: curl -X POST --upload-file FILE URL",
    ("PUT", "/"): "The cart's uid is missing. POST the manifest to /{uid}: curl -X POST --upload-file FILE URL",
    ("POST", "/"): "The cart's uid is missing. POST the manifest to /{uid}, with a uid of your choice.",
}


def authenticator() -> Authenticator:
    return system().authenticator


def browser() -> BrowserRules:
    return browser_rules(system().settings)


def refusals() -> Refusals:
    return system().refusals


app = Api("pacifica-data-cart", authenticator, browser, refusals)


@lazy
def system() -> System:
    """Built at the first request, so that importing this module does no I/O."""
    settings = with_secrets(load(os.environ))
    logs.configure(settings.log_level, settings.log_format)
    built = build(settings, API_TIMEOUTS, process=settings.lambda_function or "api", read_timeout=API_READ_TIMEOUT)
    if settings.lambda_function:  # a server has logged its start already
        log_start(built.process, settings, built.database, os.environ)
    return built


def service() -> CartService:
    return system().service


def sharing() -> Sharing:
    return system().sharing


def shared_carts() -> SharedCarts:
    return system().shared_carts


@functools.cache
def max_body() -> int:
    return load(os.environ).max_body


@app.middleware("http")
def uniform_errors(request: Request | None, get_response: Callable[[Any], Response]) -> Response:
    """Reformat Chalice's own errors, such as 405, like ours."""
    response = get_response(request)
    if request is None or not isinstance(response.body, dict):
        return response
    method = str(request.method)
    message = WRONG_METHOD.get((method, request.path)) if response.status_code == 405 else None
    uniform = responses.failure(method, response.status_code, message or str(response.body.get("Message", "")))
    uniform.headers = {**uniform.headers, **response.headers}
    return uniform


@app.open_route("/", "GET")
def index(caller: Caller) -> Response:
    return responses.document(200, {"message": "Pacifica Cartd Interface Up and Running"})


@app.cart_route("/{uid}", "POST", Scope.WRITE)
def create(caller: Caller, uid: str) -> Response:
    body = request_body.checked(app.body, app.request.headers, max_body())
    return responses.created(service().create(caller, uid, body))


@app.cart_route("/{uid}/manifest", "POST", Scope.WRITE)
def upload(caller: Caller, uid: str) -> Response:
    slot = service().manifest_upload(caller, uid)
    return responses.document(200, {"url": slot.url, "method": "PUT", "expires_in": slot.life, "upload": slot.upload})


@app.cart_route("/{uid}", "HEAD", Scope.READ)
def head(caller: Caller, uid: str) -> Response:
    number(app.request, "wait", 0, LONGEST_WAIT)
    try:
        cart, wait = service().look(caller, uid)
    except CartNotFound as error:
        message = f"No cart with uid {uid} found" if type(error) is CartNotFound else error.message
        return responses.failure("HEAD", 404, message)
    app.may_wait_for(cart)
    return responses.state(cart, wait)


@app.cart_route("/{uid}", "GET", Scope.READ)
def download(caller: Caller, uid: str) -> Response:
    filename, _ = query(app.request, "filename"), number(app.request, "wait", 0, LONGEST_WAIT)
    cart, bundle = service().download(caller, uid, filename)
    app.may_wait_for(cart)
    return responses.download(cart, bundle, app.request.headers.get("accept", ""))


@app.cart_route("/{uid}", "DELETE", Scope.WRITE)
def delete(caller: Caller, uid: str) -> Response:
    service().delete(caller, uid)
    return responses.document(200, {"message": "Cart Deleted Successfully"})


@app.cart_route("/{uid}/status", "GET", Scope.READ)
def status(caller: Caller, uid: str) -> Response:
    with_history = bool(number(app.request, "history", 0, 1))
    return responses.progress(service().status(caller, uid, with_history=with_history), with_process=caller.is_admin)


@app.cart_route("/{uid}/files", "GET", Scope.READ)
def files(caller: Caller, uid: str) -> Response:
    return responses.files(service().files(caller, uid, *file_page(app.request)))


@app.cart_route("/-/carts", "GET", Scope.READ)
def carts(caller: Caller) -> Response:
    before, most = number(app.request, "after", NEWEST, NEWEST), number(app.request, "limit", CARTS, MOST_CARTS)
    page = system().listing.page(caller, listed(app.request, "state"), before, max(1, most))
    return list_responses.carts(page, caller.acts_for, with_owners=caller.is_admin)


@app.cart_route("/-/limits", "GET", Scope.READ)
def limits(caller: Caller) -> Response:
    return list_responses.limits(caller.acts_for, system().post_limits.shown(caller))


@app.open_route("/-/healthz", "GET")
def healthz(caller: Caller) -> Response:
    """Whether this process answers; it asks nothing else, so that a slow database does not restart it."""
    return responses.document(200, {"status": "ok"})


@app.open_route("/-/readyz", "GET")
def readyz(caller: Caller) -> Response:
    """Whether what this process needs answers."""
    return health_responses.readiness(system().health.readiness())


@app.cart_route("/-/metrics", "GET", Scope.ADMIN)
def metrics(caller: Caller) -> Response:
    """The figures of the database; what a process counts is on METRICS_ADDRESS."""
    return health_responses.metrics(system().health.figures)


@app.open_route("/-/notify-keys", "GET")
def notify_keys(caller: Caller) -> Response:
    """The public keys that receivers verify webhooks with."""
    return responses.document(200, {"keys": [f"whpk_{key}" for key in system().notify_keys.all()]})


ShareRoutes(app, sharing, shared_carts).register()


def options(caller: Caller, **_: str) -> Response:
    """The methods of an address, the same under every server."""
    return responses.options(app.routes[app.request.path])


for _path in list(app.routes):
    app.open_route(_path, "OPTIONS")(options)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Any) -> dict[str, int]:
    """Repair what crashes left behind; EventBridge calls this every minute."""
    try:
        return {"sent_again": system().sweep.run()}
    finally:
        system().health.report()
