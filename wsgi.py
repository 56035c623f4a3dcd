"""The API under a WSGI server: `gunicorn 'wsgi:application()'`, the seed's cartserver.

A small adapter over chalice's own local gateway, so that routing and events are those of `chalice local`. Unlike it,
this sends no body on HEAD and 204, bounds a request's size and survives whatever a client sends.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import quote

from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException

from app import app, max_body
from chalicelib.api.responses import header_value
from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.db import migrations
from chalicelib.db.database import Database
from chalicelib.errors import BadRequest, BodyTooLarge

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

PATH_CHARS = "/%:@!$&'()*+,=~"
BLOCK = 1 << 16

log = logging.getLogger(__name__)


class Application:
    def __init__(self, gateway: LocalGateway, limit: int) -> None:
        """`limit`: the largest body in bytes."""
        self._gateway = gateway
        self._limit = limit

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        try:
            status, headers, body = self._answer(method, environ)
        except BodyTooLarge as error:
            status, headers, body = _refusal(413, error.message)
        except BadRequest as error:
            status, headers, body = _refusal(400, error.message)
        except LocalGatewayException as error:
            status, headers, body = _refusal(error.CODE, _message(error))
        except Exception:
            log.exception("%s failed", method)
            status, headers, body = _refusal(500, "The server failed; its log says why.")
        if method == "HEAD" or status == 204:
            body = b""
        if status == 204:
            headers = [header for header in headers if header[0].lower() != "content-type"]
        else:
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _answer(self, method: str, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        answer = self._gateway.handle_request(method, _path(environ), _headers(environ), self._body(environ))
        headers = [(name, value) for name, value in answer["headers"].items() if name.lower() != "content-length"]
        for name, values in answer.get("multiValueHeaders", {}).items():
            headers += [(name, value) for value in values]
        return answer["statusCode"], headers, (answer["body"] or "").encode()

    def _body(self, environ: Environ) -> bytes:
        try:
            return self._read(environ)
        except BodyTooLarge:
            raise
        except Exception as error:  # each server says in its own way that the client sent no body as HTTP has it
            raise BadRequest("body: it broke off, or is not framed as its headers say") from error

    def _read(self, environ: Environ) -> bytes:
        if int(environ.get("CONTENT_LENGTH") or 0) > self._limit:
            self._discard(environ["wsgi.input"])
            raise BodyTooLarge(self._limit)
        body: bytes = environ["wsgi.input"].read(self._limit + 1)
        if len(body) > self._limit:
            raise BodyTooLarge(self._limit)
        return body

    def _discard(self, body: IO[bytes]) -> None:
        """Read what is refused, up to as much again as is taken: a client that still sends never sees its answer."""
        left = 2 * self._limit
        while left > 0 and (block := body.read(min(left, BLOCK))):
            left -= len(block)


def _path(environ: Environ) -> str:
    """Path and query as they were sent; chalice's routes want the path undecoded.

    Chalice parses it as a URL: what that would take for a host, for parameters or for a fragment is escaped.
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
    """Headers as sent, in ASCII: the gateway quotes some in its refusals and would stumble over anything else."""
    sent = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        sent["content-type"] = environ["CONTENT_TYPE"]
    return {name: value.encode("ascii", "replace").decode() for name, value in sent.items()}


def _refusal(status: int, message: str) -> tuple[int, list[tuple[str, str]], bytes]:
    body = json.dumps({"status": "error", "message": message}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("X-Pacifica-Status", "error"),
        ("X-Pacifica-Message", header_value(message)),
    ]
    return status, headers, body


def _message(error: LocalGatewayException) -> str:
    return "There is no such address here." if error.CODE == 403 else "The request was refused."


def application() -> Application:
    """Settings checked and tables there before the first request is served."""
    settings = load(os.environ)
    logs.configure(settings.log_level)
    database = Database(settings)
    migrations.sync(database)
    database.close()
    gateway = LocalGateway(app, Config.create(chalice_app=app, project_dir=os.getcwd()))
    return Application(gateway, max_body())
