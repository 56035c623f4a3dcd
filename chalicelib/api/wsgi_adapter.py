"""WSGI application over chalice's local gateway, so that routing and events are those of `chalice local`.

Unlike `chalice local`, it sends no body on HEAD and 204, limits the size of a request, and answers any request a client
can send.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from chalice.local import LocalGateway, LocalGatewayException

from chalicelib.api import request_body
from chalicelib.api.responses import header_value
from chalicelib.errors import BadRequest, BodyTooLarge

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

PATH_CHARS = "/%:@!$&'()*+,=~"  # not escaped in a path

log = logging.getLogger(__name__)


class Application:
    def __init__(self, gateway: LocalGateway, max_body: int) -> None:
        """`max_body`: the largest body in bytes."""
        self._gateway = gateway
        self._max_body = max_body

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        status, headers, body = self._respond(method, environ)
        if method == "HEAD" or status == 204:
            body = b""
        if status == 204:
            headers = [header for header in headers if header[0].lower() != "content-type"]
        else:
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _respond(self, method: str, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            return self._call_gateway(method, environ)
        except BodyTooLarge as error:
            return _error(413, error.message)
        except BadRequest as error:
            return _error(400, error.message)
        except LocalGatewayException as error:
            return _error(error.CODE, _message(error))
        except Exception:
            log.exception("%s failed", method)
            return _error(500, "The server failed; its log says why.")

    def _call_gateway(self, method: str, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        body = request_body.read(environ["wsgi.input"], environ.get("CONTENT_LENGTH"), self._max_body)
        response = self._gateway.handle_request(method, _path(environ), _headers(environ), body)
        headers = [(name, value) for name, value in response["headers"].items() if name.lower() != "content-length"]
        for name, values in response.get("multiValueHeaders", {}).items():
            headers += [(name, value) for value in values]
        return response["statusCode"], headers, (response["body"] or "").encode()


def _path(environ: Environ) -> str:
    """Path and query as the client sent them: chalice routes by the undecoded path.

    Chalice parses the result as a URL, so characters that would be parsed as a host, parameters or a fragment are
    escaped.
    """
    raw = environ.get("RAW_URI") or quote(environ["PATH_INFO"].encode("latin-1")) + "?" + environ["QUERY_STRING"]
    path, _, query = str(raw).partition("?")
    if "://" in path and not path.startswith("/"):
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    if path.startswith("//"):
        path = "/%2F" + path[2:]
    path, query = quote(path, safe=PATH_CHARS), query.replace("#", "%23")
    return f"{path}?{query}" if query else path


def _headers(environ: Environ) -> dict[str, str]:
    """The request's headers. The gateway echoes some and fails on non-ASCII, so replace it."""
    sent = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        sent["content-type"] = environ["CONTENT_TYPE"]
    return {name: value.encode("ascii", "replace").decode() for name, value in sent.items()}


def _error(status: int, message: str) -> tuple[int, list[tuple[str, str]], bytes]:
    body = json.dumps({"status": "error", "message": message}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("X-Pacifica-Status", "error"),
        ("X-Pacifica-Message", header_value(message)),
    ]
    return status, headers, body


def _message(error: LocalGatewayException) -> str:
    return "No such path." if error.CODE == 403 else "The request was refused."
