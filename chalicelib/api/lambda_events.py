"""Checks the events that Lambda is invoked with: a caller may send anything. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from chalicelib.errors import BadRequest

REQUIRED = ("headers", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
_PARAMETER = re.compile(r"\{([^{}+]+)\}")


def method_of(event: object) -> str:
    """The method, as far as the event has one."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    method = context.get("httpMethod") if isinstance(context, dict) else None
    return method if isinstance(method, str) else ""


def checked(event: object) -> dict[str, Any]:
    """The event of a REST API's proxy integration, its body as bytes. Raises BadRequest, which says what is wrong."""
    if not isinstance(event, dict):
        raise BadRequest("The event is not an object.")
    context = event.get("requestContext")
    if not isinstance(context, dict):
        raise BadRequest("The event has no requestContext: it must be a proxy event of a REST API.")
    for name in ("resourcePath", "httpMethod"):
        if not isinstance(context.get(name), str):
            raise BadRequest(f"The event's requestContext has no {name}.")
    missing = [name for name in REQUIRED if name not in event]
    if missing:
        raise BadRequest(f"The event has no {' and no '.join(missing)}.")
    for name in ("headers", "pathParameters"):
        _check_mapping(name, event[name], str)
    _check_mapping("multiValueQueryStringParameters", event["multiValueQueryStringParameters"], list)
    for name in _PARAMETER.findall(context["resourcePath"]):
        if name not in (event["pathParameters"] or {}):
            raise BadRequest(f"The event's pathParameters have no {name}.")
    return {**event, "headers": _headers(event), "body": _body(event), "isBase64Encoded": False}


def _headers(event: dict[str, Any]) -> dict[str, str] | None:
    """With every Authorization that was sent, joined as servers do: API Gateway hands on the last one alone."""
    given: dict[str, str] | None = event["headers"]
    headers = given or {}
    several = event.get("multiValueHeaders")
    pairs = [*several.items()] if isinstance(several, dict) else []
    all_sent = [str(value) for name, values in pairs if _is_login(name) for value in values or ()]
    sent = [value for name, value in headers.items() if _is_login(name)]
    values = max(all_sent, sent, key=len)
    if len(values) < 2:
        return given
    return {name: value for name, value in headers.items() if not _is_login(name)} | {
        "authorization": ", ".join(values)
    }


def _is_login(header: object) -> bool:
    return isinstance(header, str) and header.lower() == "authorization"


def _check_mapping(name: str, found: object, kind: type) -> None:
    if found is None:
        return
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise BadRequest(f"The event's {name} must be an object.")
    for key, value in found.items():
        texts = value if kind is list and isinstance(value, list) else [value]
        if not isinstance(value, kind) or not texts or not all(isinstance(text, str) for text in texts):
            raise BadRequest(f"The event's {name} has a wrong value for {key[:40]!r}.")


def _body(event: dict[str, Any]) -> bytes:
    body = event["body"]
    if body is None or isinstance(body, bytes):
        return body or b""
    if not isinstance(body, str):
        raise BadRequest("The event's body must be text or null.")
    try:
        return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError) as error:
        raise BadRequest("The event's body is not valid base64 or Unicode.") from error
