"""What a verified JWT claims: whether it counts here and now, whose it is, and what it allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.auth.jwt_parts import INVALID
from chalicelib.auth.login import READ_ONLY, READ_WRITE, Login, is_plain, owner_named
from chalicelib.caller import Scope
from chalicelib.config.settings import Settings
from chalicelib.errors import LoginRequired
from chalicelib.manifest.notify_option import is_mail_address

LATEST = 1e12  # seconds since the epoch
SKEW = 60.0  # seconds that clocks may differ
EXPIRED = "The token has expired: get a new one."
EARLY = "The token is not valid yet."
ELSEWHERE = "The token is for another service: get one for this service's audience."

Claims = Mapping[str, Any]


def check(claims: Claims, issuer: str, audiences: Sequence[str], now: float) -> None:
    """Raises LoginRequired. Only the holder of a genuine token learns which of these is wrong."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != issuer or not is_plain(claims.get("sub")) or "exp" not in claims:
        raise LoginRequired(INVALID)
    if not any(isinstance(name, str) and name in audiences for name in named):
        raise LoginRequired(ELSEWHERE)
    if now >= _time(claims["exp"]) + SKEW:
        raise LoginRequired(EXPIRED)
    if any(now < _time(claims[name]) - SKEW for name in ("nbf", "iat") if name in claims):
        raise LoginRequired(EARLY)


def login(claims: Claims, settings: Settings) -> Login:
    """Owner is the subject, qualified by its issuer: two issuers may have the same subject."""
    return Login(
        owner_named(f"{claims['iss']}|{claims['sub']}"),
        _scopes(claims, settings),
        _groups(claims, settings.groups_claim),
        _verified_mail(claims),
    )


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LATEST < value < LATEST:
        raise LoginRequired(INVALID)  # also not a number, and integers that no float can hold
    return value


def _scopes(claims: Claims, settings: Settings) -> frozenset[Scope]:
    """By the administrators' claim; a token that names any of our scopes has no others."""
    granted = READ_WRITE
    if _has(claims, settings.admin_claim, settings.admin_value):
        granted |= {Scope.ADMIN}
    elif _has(claims, settings.admin_claim, settings.read_only_value):
        granted = READ_ONLY
    named = {word for name in ("scope", "scp") for text in _texts(claims.get(name)) for word in text.split()}
    limits = named & set(Scope)
    return frozenset(scope for scope in granted if scope in limits) if limits else granted


def _groups(claims: Claims, name: str) -> tuple[str, ...]:
    """Those that can be told apart; a claim of another form gives none."""
    found = (text for text in _texts(_value(claims, name)) if is_plain(text))
    return tuple(dict.fromkeys(found))


def _verified_mail(claims: Claims) -> str:
    """The address that the issuer has verified; an unverified one may be anybody's."""
    address = claims.get("email")
    return str(address) if claims.get("email_verified") is True and is_mail_address(address) else ""


def _has(claims: Claims, name: str, value: str) -> bool:
    return bool(name and value) and value in _texts(_value(claims, name))


def _value(claims: Claims, name: str) -> Any:
    """A claim by its name, or by a path of names such as `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _texts(value: object) -> list[str]:
    """A text, a list's texts; `true` for true."""
    if value is True:
        return ["true"]
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
