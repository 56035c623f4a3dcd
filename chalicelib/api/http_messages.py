"""A request and its answer, as every server hands them over and gets them back. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from chalicelib.api.browser import SECURITY_HEADERS, Asked, BrowserRules
from chalicelib.api.responses import MESSAGE, RETRY_AFTER, STATUS, UNAVAILABLE, header_value
from chalicelib.stores.cart_row import CartState

REQUEST_ID = "X-Request-Id"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`path` and `query` as the client sent them, still escaped. `headers` has lower-case names.

    `address`: where the request comes from. `server`: the address that the server listens on, if it is known. `id`: as
    API Gateway gives each request one.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    address: str = ""
    server: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`cart`: the row of an unfinished cart that the answer is about, 0 for none; a server may wait for it."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    cart: int = 0

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase

    def for_browsers(self, rules: BrowserRules, request: HttpRequest) -> HttpAnswer:
        """With the headers that a page of an allowed origin needs to read it."""
        asked, own = Asked(request.method, request.headers), dict(self.headers)
        more = {name: value for name, value in rules.headers(asked, own).items() if own.get(name) != value}
        # A name may be there twice, such as WWW-Authenticate.
        kept = [(name, value) for name, value in self.headers if name not in more]
        return replace(self, headers=[*kept, *more.items()])

    def naming(self, request: HttpRequest) -> HttpAnswer:
        """With the request's id."""
        return replace(self, headers=[*self.headers, (REQUEST_ID, request.id)])

    def framed(self, method: str) -> HttpAnswer:
        """As it goes out: no body on HEAD and 204, and the length of what is sent."""
        if self.status == 204:
            return HttpAnswer(204, [pair for pair in self.headers if pair[0].lower() != "content-type"], b"")
        body = b"" if method == "HEAD" else self.body
        return HttpAnswer(self.status, [*self.headers, ("Content-Length", str(len(body)))], body)


def refusal(status: int, message: str, *more: tuple[str, str]) -> HttpAnswer:
    """An error that no route gave: JSON, and the two headers that HEAD needs."""
    state = UNAVAILABLE if status >= 500 else CartState.ERROR.value
    headers = [*SECURITY_HEADERS.items(), ("Content-Type", "application/json"), (STATUS, state)]
    headers += [(MESSAGE, header_value(message)), *more]
    if status == 503:
        headers.append(("Retry-After", RETRY_AFTER))
    body = json.dumps({"status": CartState.ERROR, "message": message}) + "\n"
    return HttpAnswer(status, headers, body.encode())
