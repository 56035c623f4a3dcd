"""The id of each request, which its answer names, and one line of the log for it.

API Gateway makes the id, or our server does. A client's own `X-Request-Id` is logged beside it and never taken for it:
otherwise anybody could make their requests look like somebody else's.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from chalicelib.api.http_messages import REQUEST_ID, HttpAnswer, HttpRequest
from chalicelib.config.log_context import is_request_id, logged_with

#: Polled by clients and health checks: their requests would be most of the log.
POLLS = ("HEAD", "OPTIONS")
POLLED = ("/", "/-/healthz", "/-/readyz", "/-/metrics")
LONGEST_UID = 255

log = logging.getLogger(__name__)


def fields_of(event: Any) -> dict[str, str]:
    """What the lines of this request carry from its beginning. The event may be malformed."""
    context, parameters = _object(event, "requestContext"), _object(event, "pathParameters")
    given, uid = context.get("requestId"), parameters.get("uid")
    own = [value for name, value in _object(event, "headers").items() if str(name).lower() == REQUEST_ID.lower()]
    return {
        "request": str(given) if is_request_id(given) else uuid.uuid4().hex,
        "uid": unquote(uid)[:LONGEST_UID] if isinstance(uid, str) else "",
        "client_request": own[-1] if own and is_request_id(own[-1]) else "",
    }


def log_answer(event: Any, method: str, status: int, seconds: float) -> None:
    """One line for a request that was answered. Names the resource, because a path may hold a secret."""
    context = _object(event, "requestContext")
    resource, owner = context.get("resourcePath"), context.get("owner")
    with logged_with(owner=owner if isinstance(owner, str) else ""):
        _log(method, resource if isinstance(resource, str) else "", status, seconds)


def turned_away(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
    """The answer to a request that never got to a route, logged and with the request's id."""
    with logged_with(request=request.id):
        _log(request.method, "", answer.status, 0.0)
    return answer.naming(request)


def _log(method: str, resource: str, status: int, seconds: float) -> None:
    level = logging.DEBUG if method in POLLS or resource in POLLED else logging.INFO
    if log.isEnabledFor(level):
        took = round(seconds * 1000, 1)
        extra = {"method": method, "resource": resource, "status": status, "milliseconds": took}
        log.log(level, "%.10s %s answered %d in %.0f ms", method, resource or "nowhere", status, took, extra=extra)


def _object(event: Any, name: str) -> Mapping[str, Any]:
    found = event.get(name) if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}
