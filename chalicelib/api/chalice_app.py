"""The Chalice app that the routes are registered on: each names the scope it needs, and returns or raises."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

from chalice.app import Chalice, Request, Response

from chalicelib.api import lambda_events, responses
from chalicelib.api.browser import ONLY_OWN_PAGES, Asked, BrowserRules, asked_by
from chalicelib.api.failures import FAILED, REFUSED, failure_of
from chalicelib.api.gateway import UID_RULE
from chalicelib.api.http_messages import REQUEST_ID
from chalicelib.api.parameters import unambiguous
from chalicelib.api.request_log import fields_of, log_answer
from chalicelib.auth.credentials import Credentials
from chalicelib.auth.decision import Authenticator
from chalicelib.caller import Caller, Scope
from chalicelib.config.log_context import logged_with
from chalicelib.errors import BadRequest, CartError, InvalidUid, NotAllowed
from chalicelib.refusals import Refusals
from chalicelib.stores.cart_row import UNFINISHED, Cart

RESERVED_UID = "-"  # what lies below is the service's own
ANY = ["*/*"]  # accept any Content-Type; the body is parsed as JSON

_current: ContextVar[Request | None] = ContextVar("request", default=None)
_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)

log = logging.getLogger(__name__)

Route = Callable[..., Response]


class Api(Chalice):
    """Takes any event, and keeps the current request per call: Chalice has it on the app, which threads share."""

    def __init__(
        self,
        app_name: str,
        authenticator: Callable[[], Authenticator],
        browser: Callable[[], BrowserRules],
        refusals: Callable[[], Refusals],
    ) -> None:
        super().__init__(app_name=app_name, env={})  # by default chalice writes to os.environ
        self.debug = False
        self._authenticator = authenticator
        self._browser = browser
        self._refusals = refusals

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        asked, fields, began = asked_by(event), fields_of(event), time.monotonic()
        with logged_with(**fields):
            rules = self._rules()
            answer = self._answered(event, context, asked, rules)
            answer["headers"] = rules.headers(asked, {**answer["headers"], REQUEST_ID: fields["request"]})
            log_answer(event, asked.method, answer["statusCode"], time.monotonic() - began)
        return answer

    def _rules(self) -> BrowserRules:
        try:
            return self._browser()
        except Exception:
            return ONLY_OWN_PAGES  # bad settings: the route will say so

    def _answered(self, event: Any, context: Any, asked: Asked, rules: BrowserRules) -> dict[str, Any]:
        """The answer to any event."""
        try:
            return self._answer(lambda_events.checked(event), context, asked, rules)
        except CartError as error:
            if isinstance(error, REFUSED):
                self._count_refusal(asked.client)
            return failure_of(asked.method, error).to_dict()
        except Exception:
            log.exception("%s failed", asked.method)
            return responses.failure(asked.method, 500, FAILED).to_dict()

    def _answer(self, event: dict[str, Any], context: Any, asked: Asked, rules: BrowserRules) -> dict[str, Any]:
        rules.check(asked)
        resource = event["requestContext"]["resourcePath"]
        is_reserved = unquote((event["pathParameters"] or {}).get("uid", "")) == RESERVED_UID
        if is_reserved or asked.method not in self.routes.get(resource, ()):
            self._check_login(event)  # no route will
        if resource not in self.routes:
            return responses.failure(asked.method, 404, UID_RULE).to_dict()
        if is_reserved:  # for every method, known or not
            raise InvalidUid
        answer: dict[str, Any] = super().__call__(event, context)
        return answer

    @property
    def current_request(self) -> Request | None:
        return _current.get()

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        _current.set(request)

    @property
    def request(self) -> Request:
        """Within a route: its request."""
        request = self.current_request
        assert request is not None, "outside a request"
        return request

    @property
    def body(self) -> bytes:
        """Within a route: its request's body."""
        body = self.request.raw_body
        assert isinstance(body, bytes), "lambda_events makes it bytes"
        return body

    def cart_route(self, path: str, method: str, scope: Scope) -> Callable[[Route], Route]:
        """Register a route for callers who have `scope`; its first argument is the Caller."""

        def caller() -> Caller:
            found = self._authenticator().caller(_credentials(self.request))
            _caller.set(found)
            if not found.may(scope):
                raise NotAllowed(f"This login may not do this: it lacks the scope {scope}.")
            return self._acting(found)

        return self._registered(path, method, caller)

    def open_route(self, path: str, method: str) -> Callable[[Route], Route]:
        """Register a route for everybody; a login is checked if there is one."""

        def caller() -> Caller:
            found = self._authenticator().caller_or_nobody(_credentials(self.request))
            _caller.set(found)
            return found

        return self._registered(path, method, caller)

    def may_wait_for(self, cart: Cart) -> None:
        """Tell a server that can wait (waiting.py) which cart the answer to this request is about."""
        if cart.state in UNFINISHED:
            self.request.context["cart"] = cart.id

    def login_refusal(self, method: str, credentials: Credentials) -> Response | None:
        """The answer to a request whose login is wrong or missing, for a server that asks before it reads a body."""
        try:
            self._authenticator().caller(credentials)
        except CartError as error:
            if isinstance(error, REFUSED):
                self._count_refusal(credentials.address)
            return failure_of(method, error)
        return None

    def _registered(self, path: str, method: str, caller: Callable[[], Caller]) -> Callable[[Route], Route]:
        def register(route: Route) -> Route:
            handled = self._handling_errors(route, caller)
            self.route(path, methods=[method], content_types=ANY)(handled)
            return handled

        return register

    def _handling_errors(self, route: Route, caller: Callable[[], Caller]) -> Route:
        """Turn the route's exceptions into error responses; clients never see a traceback."""

        @functools.wraps(route)
        def handled(**parameters: str) -> Response:
            method = str(self.request.method)
            _caller.set(None)
            try:
                return self._run(route, caller(), {name: unquote(value) for name, value in parameters.items()})
            except CartError as error:
                failure = failure_of(method, error)
                if isinstance(error, REFUSED):
                    self._record_refusal(failure.status_code, error)
                return failure
            except Exception:
                log.exception("%s failed", method)
                return responses.failure(method, 500, FAILED)

        return handled

    def _run(self, route: Route, caller: Caller, parameters: dict[str, str]) -> Response:
        self.request.context["owner"] = caller.acts_for  # for the log, as long as the request lasts
        with logged_with(owner=caller.acts_for):
            return route(caller, **parameters)

    def _check_login(self, event: dict[str, Any]) -> None:
        """Raises LoginRequired for a login that does not count, also where there is nothing to log in to."""
        if (shown := _credentials(Request(event))).authorization is not None:
            self._authenticator().caller_or_nobody(shown)

    def _count_refusal(self, address: str) -> None:
        """Of a request without a login, or whose login nobody has looked at yet."""
        try:
            self._refusals().record(None, address, "", {})
        except Exception as error:  # bad settings: the request is refused all the same
            log.warning("a refusal is not recorded: %s", error)

    def _record_refusal(self, status: int, error: CartError) -> None:
        request = self.request
        details = {
            "request": f"{request.method} {request.context.get('resourcePath')}",  # the path may hold a secret
            "status": status,
            "message": error.message[:500],
        }
        uid = unquote(str((request.uri_params or {}).get("uid", "")))
        self._refusals().record(_caller.get(), _credentials(request).address, uid, details)

    def _acting(self, caller: Caller) -> Caller:
        """An administrator may name whose cart is meant: `?owner=`."""
        owner = unambiguous(self.request, "owner")
        if owner is None or owner == caller.owner:
            return caller
        if not caller.is_admin:
            raise NotAllowed("owner: only an administrator may name another owner.")
        if owner != owner.strip():  # MySQL ignores blanks at the end when it compares
            raise BadRequest("owner: must have no blanks at its ends")
        return caller.acting_for(owner)


def _credentials(request: Request) -> Credentials:
    found = request.context.get("identity")
    identity = found if isinstance(found, dict) else {}
    address = identity.get("sourceIp")
    return Credentials(request.headers.get("authorization"), identity, address if isinstance(address, str) else "")
