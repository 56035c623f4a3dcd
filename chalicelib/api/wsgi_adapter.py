"""The routes as a WSGI application, for servers other than ours. A slow client holds one of the server's threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from chalicelib.api import request_body
from chalicelib.api.browser import ONLY_OWN_PAGES, BrowserRules
from chalicelib.api.gateway import PATH_CHARS, Gateway
from chalicelib.api.http_messages import HttpAnswer, HttpRequest, refusal
from chalicelib.api.request_log import turned_away
from chalicelib.errors import BadRequest, BodyTooLarge

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Application:
    def __init__(
        self,
        gateway: Gateway,
        max_body: int,
        address: Callable[[object], HttpAnswer | None],
        browser: BrowserRules = ONLY_OWN_PAGES,
    ) -> None:
        """`max_body`: the largest body in bytes. `address`: the answer to requests that arrived at a wrong one."""
        self._address = address
        self._gateway = gateway
        self._max_body = max_body
        self._browser = browser

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ).framed(environ["REQUEST_METHOD"])
        start_response(f"{answer.status} {answer.phrase}", list(answer.headers))
        return [answer.body]

    def _answer(self, environ: Environ) -> HttpAnswer:
        request = _head(environ)
        refused = self._address(environ.get("SERVER_NAME"))
        if refused is not None:
            return self._turned_away(request, refused)
        try:
            body = request_body.read(environ, self._max_body)
        except BodyTooLarge as error:
            return self._turned_away(request, refusal(413, error.message))
        except BadRequest as error:
            return self._turned_away(request, refusal(400, error.message))
        return self._gateway.answer(replace(request, body=body))

    def _turned_away(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return turned_away(request, answer).for_browsers(self._browser, request)


def _head(environ: Environ) -> HttpRequest:
    path, query = _target(environ)
    return HttpRequest(
        environ["REQUEST_METHOD"],
        path,
        query,
        _headers(environ),
        address=environ.get("REMOTE_ADDR", ""),
        server=environ.get("SERVER_NAME", ""),
    )


def _target(environ: Environ) -> tuple[str, str]:
    """Path and query as the client sent them, because the routes are found by the undecoded path.

    A server may omit what is empty.
    """
    decoded = environ.get("PATH_INFO") or "/"
    raw = environ.get("RAW_URI") or quote(decoded.encode("latin-1")) + "?" + environ.get("QUERY_STRING", "")
    path, _, query = str(raw).partition("?")
    if "://" in path and not path.startswith("/"):
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    return quote(path, safe=PATH_CHARS), query


def _headers(environ: Environ) -> dict[str, str]:
    sent = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        sent["content-type"] = environ["CONTENT_TYPE"]
    return sent
