"""The body of POST /{uid}/shares: with whom, and until when. Pure."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

from chalicelib.errors import BadRequest, BodyTooLarge
from chalicelib.sharing import ShareRequest
from chalicelib.stores.cart_shares import WITH_LINK

LARGEST = 16 << 10  # bytes
LONGEST_NAME = 255  # characters of an owner's name
LINK = "link"
KEYS = ("with", "expires")
EXPIRES_RULE = "expires: must be a time such as 2030-01-31T12:00:00Z, or a number of seconds"


def share_request(body: bytes) -> ShareRequest:
    """Raises BadRequest, which names the place, or BodyTooLarge. Other keys are ignored, as in manifests."""
    if len(body) > LARGEST:
        raise BodyTooLarge(LARGEST, "that of a share may be")
    found = _object(body)
    recipient = _recipient(found.get("with"))
    expires = found.get("expires")
    if expires is None:
        return ShareRequest(recipient)
    if isinstance(expires, str):
        return ShareRequest(recipient, until=_time(expires))
    if isinstance(expires, bool) or not isinstance(expires, (int, float)):
        raise BadRequest(EXPIRES_RULE)
    return ShareRequest(recipient, seconds=_number(expires))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadRequest('body: must be JSON such as {"with": "link", "expires": 86400}') from None
    if not isinstance(found, dict):
        raise BadRequest("body: must be a JSON object")
    return found


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that counts may be repeated only with the same value."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in KEYS and key in found and found[key] != value:
            raise BadRequest(f"{key}: is given twice, with two values")
        found[key] = value
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _recipient(given: object) -> str:
    if given is None:
        raise BadRequest('with: is missing; name an owner, or "link"')
    if not isinstance(given, str):
        raise BadRequest('with: must be a string: an owner\'s name, or "link"')
    if given == LINK:
        return WITH_LINK
    hidden = any(unicodedata.category(char).startswith("C") for char in given)
    if hidden or given != given.strip() or not 0 < len(given) <= LONGEST_NAME:
        raise BadRequest(
            f"with: an owner's name has 1 to {LONGEST_NAME} characters, no control characters and no blanks at its ends"
        )
    return given


def _time(text: str) -> float:
    """In seconds since the epoch; UTC if the text names no zone."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest(EXPIRES_RULE) from None


def _number(seconds: float) -> float:
    try:
        return float(seconds)
    except OverflowError:
        raise BadRequest(EXPIRES_RULE) from None
