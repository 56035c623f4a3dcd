"""Parsers of the settings of access. Each raises ValueError that says what the text must be. Pure."""

from __future__ import annotations

import re

from chalicelib.config.host_names import canonical_host, canonical_origin
from chalicelib.config.parsers import url

AUTH_KINDS = ("none", "iam", "oidc", "token")
#: Public-key algorithms only: a key that verifies must not be able to sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BEARER = re.compile(r"[!-~]+")
#: Headers that say something else, or end a request early.
_TAKEN = {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie"}
_TAKEN |= {"expect", "host", "range", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}


def names(value: str) -> tuple[str, ...]:
    """Texts between commas."""
    return tuple(name for part in value.split(",") if (name := part.strip()))


def auth(value: str) -> str:
    """One kind, or `oidc,token`."""
    kinds = names(value)
    if not kinds or set(kinds) - set(AUTH_KINDS):
        raise ValueError("must be none, iam, oidc, token or oidc,token")
    if len(kinds) > 1 and set(kinds) != {"oidc", "token"}:
        raise ValueError("none and iam stand alone")
    return ",".join(sorted(set(kinds)))


def algorithms(value: str) -> tuple[str, ...]:
    found = names(value)
    if not found or set(found) - set(ALGORITHMS):
        raise ValueError(f"must be of {', '.join(ALGORITHMS)}")
    return found


def url_list(value: str) -> tuple[str, ...]:
    """URLs as they are written: an issuer's name must match to the letter."""
    found = names(value)
    for one in found:
        url(one)
        if not one.startswith(("http://", "https://")):
            raise ValueError("must be http or https URLs, separated by commas")
    return found


def origins(value: str) -> tuple[str, ...]:
    return tuple(canonical_origin(one) for one in names(value))


def hosts(value: str) -> tuple[str, ...]:
    return tuple(canonical_host(one) for one in names(value))


def header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value) or value.lower() in _TAKEN:
        raise ValueError("must be the name of a header that requests do not have already")
    return value


def endpoint(value: str) -> str:
    """The URL of one resource: with a slash at its end only where it is given so."""
    whole = url(value)
    return whole if value.endswith("/") else whole.removesuffix("/")


def bearer(value: str) -> str:
    """A token as it stands in a header."""
    token = value.strip()
    if not _BEARER.fullmatch(token):
        raise ValueError("must be a token of visible ASCII characters, in one line")
    return token
