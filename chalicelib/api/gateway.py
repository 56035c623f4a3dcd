"""Calls the Chalice app with the events that API Gateway would send, so that servers and Lambda run the same code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from chalicelib.api.http_messages import HttpAnswer, HttpRequest, refusal

UID_RULE = (
    "There is nothing at this address. A cart's is /{uid}, and a uid is 1 to 255 of A-Z a-z 0-9 . _ - without a slash."
)

PATH_CHARS = "/%:@!$&'()*+,;=~"  # not escaped in a path

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any], None], dict[str, Any]]


class Gateway:
    def __init__(self, handler: Handler, resources: Iterable[str]) -> None:
        """`handler`: the Chalice app; `resources`: its routes, such as /{uid}/status."""
        self._handler = handler
        by_name = ((resource, _segments(resource)) for resource in resources)
        self._resources = sorted(by_name, key=lambda one: _static_first(one[1]))

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """The app's answer to any request a client can send; it never raises."""
        try:
            event = self._event(request)
            answer = answer_of(self._handler(event, None))
            return replace(answer, cart=event["requestContext"].get("cart", 0))
        except Exception:
            log.exception("%s failed: request %s", request.method, request.id)
            return refusal(500, "The server failed; its log says why.").naming(request)

    def _event(self, request: HttpRequest) -> dict[str, Any]:
        """The proxy event of a REST API; if no resource has this path, the event's resource is empty."""
        resource, parameters = self._resource(request.path) or ("", {})
        return {
            "resource": resource,
            "path": request.path,
            "httpMethod": request.method,
            "headers": request.headers,
            "multiValueQueryStringParameters": parse_qs(request.query, keep_blank_values=True) or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": request.method,
                "identity": {"sourceIp": request.address},
                "server": request.server,
                "requestId": request.id,
            },
            "body": request.body,
            "isBase64Encoded": False,
        }

    def _resource(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The resource that a path belongs to, and its parameters; a slash at the end does not count."""
        if not path.startswith("/"):
            return None
        segments = _segments(path)
        for resource, names in self._resources:
            parameters = _parameters(names, segments)
            if parameters is not None:
                return resource, parameters
        return None


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")[1:]


def _static_first(segments: Sequence[str]) -> list[tuple[bool, str]]:
    """As in API Gateway, a resource's own name goes before a parameter."""
    return [(segment.startswith("{"), segment) for segment in segments]


def _parameters(names: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Name -> its segment, still escaped; None if the segments are not those of the resource."""
    if len(names) != len(segments):
        return None
    found: dict[str, str] = {}
    for name, segment in zip(names, segments, strict=True):
        if name.startswith("{") and segment:
            found[name[1:-1]] = segment
        elif name != segment:
            return None
    return found


def answer_of(response: Mapping[str, Any]) -> HttpAnswer:
    """`response`: as a Lambda behind API Gateway returns it."""
    headers = [(name, value) for name, value in response["headers"].items() if name.lower() != "content-length"]
    for name, values in response.get("multiValueHeaders", {}).items():
        headers += [(name, value) for value in values]
    return HttpAnswer(response["statusCode"], headers, (response["body"] or "").encode())
