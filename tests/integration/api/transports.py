"""Transports that must behave the same: the ASGI and WSGI applications, and Lambda events of API Gateway."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_to_bytes

from app import app
from chalicelib.api import asgi_application
from chalicelib.api.wsgi_adapter import Application

Headers = Mapping[str, str]

#: Fields of an event's identity that are set only for authenticated callers.
UNKNOWN = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
HOST = "127.0.0.1:8081"
#: Resources of the deployed API, those with a name of their own before parameters.
RESOURCES = (
    "/",
    "/-/carts",
    "/-/healthz",
    "/-/limits",
    "/-/metrics",
    "/-/readyz",
    "/-/notify-keys",
    "/-/shared/{token}",
    "/-/shared/{token}/files",
    "/-/shared/{token}/status",
    "/{uid}",
    "/{uid}/files",
    "/{uid}/manifest",
    "/{uid}/shares",
    "/{uid}/shares/{share}",
    "/{uid}/status",
)


@dataclass(frozen=True)
class Answer:
    """`headers` has lower-case names. `request`: the id that the answer names; no two answers have the same one."""

    status: int
    headers: dict[str, str]
    body: bytes
    request: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "request", self.headers.pop("x-request-id", self.request))

    def json(self) -> Any:
        return json.loads(self.body)


Transport = Callable[..., Answer]  # (method, target, body=b"", **headers with _ for -)


class OverWSGI:
    """Calls the adapter in this process, like a WSGI server."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, sent: list[tuple[str, str]]) -> None:
            started.append((status, sent))

        chunks = self._application(environ(method, target, body, headers), start_response)
        [(status, sent)] = started
        assert all(isinstance(value, str) for _, value in sent)
        return Answer(int(status[:3]), {name.lower(): value for name, value in sent}, b"".join(chunks))


class OverASGI:
    """Calls the ASGI application in this process, like a server of one request."""

    def __init__(self, application: asgi_application.Application) -> None:
        self._application = application

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        sent: list[dict[str, Any]] = []
        given = iter([{"type": "http.request", "body": body}])

        async def receive() -> dict[str, Any]:
            message = next(given, None)
            if message is None:
                await asyncio.Event().wait()  # the client stays until it has its answer
            assert message is not None
            return message

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self._application(scope(method, target, body, headers), receive, send))
        [start, content] = sent
        answered = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], answered, content["body"])


class OverLambda:
    """Calls the handler with events of a REST API and reads its response like the gateway."""

    def __init__(self, *, decoded: bool = True, binary: bool = False) -> None:
        """`decoded`: path parameters are decoded. `binary`: bodies are in base64."""
        self._decoded = decoded
        self._binary = binary

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        event = self.event(method, target, body, headers)
        answer = json.loads(json.dumps(app(json.loads(json.dumps(event)), Context())))
        assert not answer.get("isBase64Encoded")
        sent = {name.lower(): value for name, value in answer["headers"].items()}
        sent |= {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}
        assert isinstance(answer["body"], str)
        return Answer(answer["statusCode"], sent, answer["body"].encode())

    def event(self, method: str, target: str, body: bytes, headers: Headers) -> dict[str, Any]:
        path, _, query = target.partition("?")
        resource, parameters = _route(path)
        if self._decoded:
            parameters = {name: unquote(value) for name, value in parameters.items()}
        values = parse_qs(query, keep_blank_values=True) or None
        sent = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return {
            "resource": resource,
            "path": path,
            "httpMethod": method,
            "headers": sent or None,
            "multiValueHeaders": {name: [value] for name, value in sent.items()} or None,
            "queryStringParameters": values and {name: given[-1] for name, given in values.items()},
            "multiValueQueryStringParameters": values,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": _request_context(method, path, resource),
            "body": self._encoded(body),
            "isBase64Encoded": bool(body) and self._binary,
        }

    def _encoded(self, body: bytes) -> str | None:
        if not body:
            return None
        return base64.b64encode(body).decode() if self._binary else body.decode("utf-8", "replace")


class Context:
    """The parts of a Lambda's context that chalice reads."""

    function_name = "cart-api"
    memory_limit_in_mb = 512
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def scope(method: str, target: str, body: bytes, headers: Headers) -> dict[str, Any]:
    path, _, query = target.partition("?")
    if "://" in path and not path.startswith("/"):
        path = "/" + path.split("://", 1)[1].partition("/")[2]  # the server takes the host off
    given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"content-length": str(len(body))} if body else {}
    return {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("192.0.2.1", 4711),
        "server": ("127.0.0.1", 8081),
    }


def environ(method: str, target: str, body: bytes, headers: Headers) -> dict[str, Any]:
    path, _, query = target.partition("?")
    sent = dict(headers)
    given = {"CONTENT_TYPE": kind} if (kind := sent.pop("content_type", None)) is not None else {}
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8081",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "HTTP_HOST": HOST,
        **given,
        **{f"HTTP_{name.upper()}": value for name, value in sent.items()},
    }


def _route(path: str) -> tuple[str, dict[str, str]]:
    """The resource of the deployed API for `path`; the gateway itself refuses paths that have none."""
    parts = path.rstrip("/").split("/")
    for resource in RESOURCES:
        pairs = list(zip_longest(resource.rstrip("/").split("/"), parts, fillvalue=""))
        if all(name == part or (name.startswith("{") and part) for name, part in pairs):
            return resource, {name[1:-1]: part for name, part in pairs if name.startswith("{")}
    raise AssertionError(f"the gateway has no resource for {path}")


def _request_context(method: str, path: str, resource: str) -> dict[str, Any]:
    """As in AWS's documentation of proxy integration input; an open API knows only the caller's address and agent."""
    return {
        "accountId": "123456789012",
        "apiId": "1234567890",
        "domainName": "1234567890.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "1234567890",
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "resourceId": "123456",
        "resourcePath": resource,
        "httpMethod": method,
        "path": f"/api{path}",
        "stage": "api",
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "09/Apr/2025:12:34:56 +0000",
        "requestTimeEpoch": 1744202096000,
        "identity": {**dict.fromkeys(UNKNOWN), "sourceIp": "192.0.2.1", "userAgent": "curl/8.0"},
    }
