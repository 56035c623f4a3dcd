"""Reads the Authorization header: the token that it carries. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from chalicelib.errors import LoginRequired

LONGEST = 16 << 10  # characters of a header; base64 adds a third to a token, and a user's name comes before it
LONGEST_TOKEN = 8 << 10
_HEADER = re.compile(r"(bearer|basic) ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
MALFORMED = "The Authorization header is not valid: send one, `Bearer TOKEN`, or `Basic` with the token as password."


def token_in(authorization: str) -> str:
    """The token of a header `Bearer TOKEN`, or `Basic` with the token as password and any user name.

    Two headers, which a server joins with a comma, are refused like all that is malformed. Raises LoginRequired.
    """
    found = _HEADER.fullmatch(authorization) if len(authorization) <= LONGEST else None
    if found is None:
        raise LoginRequired(MALFORMED)
    token = found[2] if found[1].lower() == "bearer" else _password(found[2])
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise LoginRequired(MALFORMED)
    return token


def _password(encoded: str) -> str:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise LoginRequired(MALFORMED) from None
    return pair.partition(":")[2]
