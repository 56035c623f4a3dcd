"""From an error to the answer that a client gets."""

from __future__ import annotations

import logging

from chalice.app import Response

from chalicelib.api import responses
from chalicelib.api.browser import MisdirectedRequest
from chalicelib.api.request_body import UnsupportedCoding
from chalicelib.errors import (
    BadRequest,
    BodyTooLarge,
    CartError,
    CartNotFound,
    LoginRequired,
    NotAllowed,
    SettingsError,
    TooManyRequests,
    TransientError,
)

STATUS_OF = (
    (BodyTooLarge, 413),
    (UnsupportedCoding, 415),
    (BadRequest, 400),
    (LoginRequired, 401),
    (NotAllowed, 403),
    (CartNotFound, 404),
    (MisdirectedRequest, 421),
    (TooManyRequests, 429),
    (TransientError, 503),
    (CartError, 500),
)
REFUSED = (LoginRequired, NotAllowed, TooManyRequests)  # recorded: who asked for what may not be done
FAILED = "The server failed; its log says why."

log = logging.getLogger(__name__)


def failure_of(method: str, error: CartError) -> Response:
    status = next(code for kind, code in STATUS_OF if isinstance(error, kind))
    if status >= 500:
        log.warning("%s %s: %s", method, status, error.message)
    # Which setting is wrong, and to what value, is for the log.
    shown = FAILED if isinstance(error, SettingsError) else error.message
    response = responses.failure(method, status, shown)
    if isinstance(error, TooManyRequests):
        response.headers = {**response.headers, "Retry-After": str(error.seconds)}
    if isinstance(error, LoginRequired):
        response.headers = {**response.headers, "WWW-Authenticate": list(error.challenges)}
    return response
