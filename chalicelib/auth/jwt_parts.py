"""Takes a JWT apart, before anything is known to be true of it. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from chalicelib.errors import LoginRequired

INVALID = "The token is not valid here: it is malformed, unsigned, or not of an issuer that this service trusts."
LONGEST_KEY_ID = 256
TYPES = ("jwt", "at+jwt", "application/at+jwt")  # not those of a logout, of a proof of possession, and so on
#: Headers that would have the token name its own key, or change what is signed.
REFUSED = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """`key_id`: None if the token names no key."""

    token: str
    algorithm: str
    key_id: str | None
    issuer: str
    claims: dict[str, Any]


def unverified(token: str) -> UnverifiedJwt:
    """Raises LoginRequired unless this has the form of a JWT that names no key of its own."""
    parts = _FORM.fullmatch(token)
    if parts is None:
        raise LoginRequired(INVALID)
    header, claims = _object(parts[1]), _object(parts[2])
    algorithm, key_id, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str) or not isinstance(issuer, str) or REFUSED & header.keys():
        raise LoginRequired(INVALID)
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > LONGEST_KEY_ID):
        raise LoginRequired(INVALID)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise LoginRequired(INVALID)
    return UnverifiedJwt(token, algorithm, key_id, issuer, claims)


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise LoginRequired(INVALID) from None
    if not isinstance(found, dict):
        raise LoginRequired(INVALID)
    return found
