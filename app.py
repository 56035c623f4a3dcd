"""The HTTP API: routes only. Each parses the request, calls one use case and builds the response; see docs/api.md."""

from __future__ import annotations

import functools
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from chalice.app import Chalice, Rate, Request, Response

from chalicelib.api import request_body, responses
from chalicelib.api.lazy import lazy
from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.errors import BadRequest, BodyTooLarge, CartError, CartNotFound, TransientError
from chalicelib.service import CartService
from chalicelib.stores.carts import CartState
from chalicelib.wiring import API_TIMEOUTS, System, build

OWNER = ""  # all carts have one owner: the API does not authenticate clients
STATUS_OF = ((BodyTooLarge, 413), (BadRequest, 400), (CartNotFound, 404), (TransientError, 503), (CartError, 500))
ANY = ["*/*"]  # accept any Content-Type; the body is parsed as JSON
PAGE, LONGEST_PAGE = 1000, 10000  # files in one page of /files: by default, and at most

log = logging.getLogger(__name__)

Route = Callable[..., Response]


class Api(Chalice):
    """Keeps the current request per thread. Chalice stores it on the app object, which WSGI server threads share."""

    _of_thread = threading.local()

    @property
    def current_request(self) -> Request | None:
        return getattr(self._of_thread, "request", None)

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        self._of_thread.request = request


app = Api(app_name="pacifica-data-cart", env={})  # by default chalice writes to os.environ
app.debug = False


@lazy
def system() -> System:
    """Built at the first request, so that importing this module does no I/O."""
    settings = load(os.environ)
    logs.configure(settings.log_level)
    return build(settings, API_TIMEOUTS)


def service() -> CartService:
    return system().service


@functools.cache
def max_body() -> int:
    return load(os.environ).max_body


def handling_errors(route: Route) -> Route:
    """Turn the route's exceptions into error responses; clients never see a traceback."""

    @functools.wraps(route)
    def handled(**parameters: str) -> Response:
        try:
            return route(**{name: unquote(value) for name, value in parameters.items()})
        except CartError as error:
            status = next(code for kind, code in STATUS_OF if isinstance(error, kind))
            if status >= 500:
                log.warning("%s %s: %s", _method(), status, error.message)
            return responses.failure(_method(), status, error.message)
        except Exception:
            log.exception("%s failed", _method())
            return responses.failure(_method(), 500, "The server failed; its log says why.")

    return handled


@app.middleware("http")
def uniform_errors(request: Request | None, get_response: Callable[[Any], Response]) -> Response:
    """Reformat Chalice's own errors, such as 405, like ours."""
    response = get_response(request)
    if request is None or not isinstance(response.body, dict):
        return response
    uniform = responses.failure(_method(), response.status_code, str(response.body.get("Message", "")))
    uniform.headers = {**uniform.headers, **response.headers}
    return uniform


@app.route("/", methods=["GET"], content_types=ANY)
@handling_errors
def index() -> Response:
    return responses.document(200, {"message": "Pacifica Cartd Interface Up and Running"})


@app.route("/{uid}", methods=["POST"], content_types=ANY)
@handling_errors
def create(uid: str) -> Response:
    service().create(OWNER, uid, _body())
    return responses.document(201, {"message": "Cart Processing has begun"})


@app.route("/{uid}/manifest", methods=["POST"], content_types=ANY)
@handling_errors
def upload(uid: str) -> Response:
    url, life = service().manifest_upload_url(OWNER, uid)
    return responses.document(200, {"url": url, "method": "PUT", "expires_in": life})


@app.route("/{uid}", methods=["HEAD"], content_types=ANY)
@handling_errors
def head(uid: str) -> Response:
    try:
        return responses.state(service().find(OWNER, uid))
    except CartNotFound as error:
        message = f"No cart with uid {uid} found" if type(error) is CartNotFound else error.message
        return responses.failure("HEAD", 404, message)


@app.route("/{uid}", methods=["GET"], content_types=ANY)
@handling_errors
def download(uid: str) -> Response:
    filename = _query("filename")
    cart, bundle = service().download(OWNER, uid, filename)
    if bundle is not None:
        return responses.redirect(bundle)
    if cart.state == CartState.ERROR:
        return responses.document(409, {"status": CartState.ERROR, "message": cart.message})
    return responses.not_ready(cart)


@app.route("/{uid}", methods=["DELETE"], content_types=ANY)
@handling_errors
def delete(uid: str) -> Response:
    service().delete(OWNER, uid)
    return responses.document(200, {"message": "Cart Deleted Successfully"})


@app.route("/{uid}/status", methods=["GET"], content_types=ANY)
@handling_errors
def status(uid: str) -> Response:
    return responses.progress(service().status(OWNER, uid))


@app.route("/{uid}/files", methods=["GET"], content_types=ANY)
@handling_errors
def files(uid: str) -> Response:
    after, most = _number("after", -1, 1 << 31), _number("limit", PAGE, LONGEST_PAGE)
    return responses.files(service().files(OWNER, uid, after, max(1, most)))


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Any) -> dict[str, int]:
    """Repair what crashes left behind; EventBridge calls this every minute."""
    return {"sent_again": system().sweep.run()}


def _body() -> bytes:
    return request_body.decode(_request().raw_body or b"", _request().headers, max_body())


def _number(name: str, default: int, most: int) -> int:
    value = _query(name)
    if value is None:
        return default
    digits = value.lstrip("0") or value[-1:]
    if not value.isascii() or not value.isdigit() or len(digits) > len(str(most)) or int(digits) > most:
        raise BadRequest(f"{name}: must be a number, 0 to {most} (it is {json.dumps(value[:40])})")
    return int(digits)


def _query(name: str) -> str | None:
    parameters: Mapping[str, str] = _request().query_params or {}
    return parameters.get(name)


def _method() -> str:
    return str(_request().method)


def _request() -> Request:
    request = app.current_request
    assert request is not None, "outside a request"
    return request
