"""Where the keys of an issuer come from: its own addresses (OpenID Connect Discovery), or a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.auth.key_set import CachedKeys, KeyPolicy
from chalicelib.auth.verification_key import VerificationKey, read_set

DISCOVERY = "/.well-known/openid-configuration"
TIMEOUTS = (2.0, 3.0)  # seconds: to connect, and between two pieces of an answer
LONGEST_ANSWER = 5.0  # seconds
LARGEST_ANSWER = 1 << 20  # bytes
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def issuer_keys(
    issuer: str, file: str, algorithms: Collection[str], clock: Callable[[], float], policy: KeyPolicy
) -> CachedKeys:
    """`file`: of its JWK set, empty to ask the issuer. Nothing is read or asked before the first token comes."""

    def fetch() -> list[VerificationKey]:
        return keys_in_file(file, algorithms) if file else _fetched(issuer, algorithms)

    return CachedKeys(issuer, fetch, clock, policy)


def keys_in_file(file: str, algorithms: Collection[str]) -> list[VerificationKey]:
    """Raises OSError, or ValueError if it is not a JWK set."""
    with Path(file).open("rb") as opened:
        content = opened.read(LARGEST_ANSWER + 1)
    if len(content) > LARGEST_ANSWER:
        raise ValueError("it is too large")
    return read_set(content, algorithms)


def is_safe(address: str) -> bool:
    """Whether keys may be fetched from there: https, because who changes them on the way can log in as anybody."""
    parts = urlsplit(address)
    return parts.hostname in LOOPBACK if parts.scheme == "http" else parts.scheme == "https" and bool(parts.hostname)


def _fetched(issuer: str, algorithms: Collection[str]) -> list[VerificationKey]:
    described: Any = json.loads(_get(issuer.rstrip("/") + DISCOVERY))
    if not isinstance(described, dict) or described.get("issuer") != issuer:
        raise ValueError("its discovery document is of another issuer")
    address = described.get("jwks_uri")
    if not isinstance(address, str) or not is_safe(address):
        raise ValueError("its discovery document has no jwks_uri with https")
    return read_set(_get(address), algorithms)


def _get(address: str) -> bytes:
    """Does not follow redirects, and sends no credentials of ~/.netrc."""
    import requests

    with requests.get(
        address,
        timeout=TIMEOUTS,
        stream=True,
        allow_redirects=False,
        auth=lambda request: request,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    ) as answer:
        if answer.status_code != 200:
            raise ValueError(f"{address} answered {answer.status_code}")
        return _content(answer.raw)


def _content(raw: Any) -> bytes:
    """What arrives in time. Each read1 returns what has arrived, so that a slow server cannot stretch it."""
    end, content = time.monotonic() + LONGEST_ANSWER, bytearray()
    while piece := raw.read1(64 << 10):
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise ValueError("the answer is too large")
        if time.monotonic() > end:
            raise ValueError("the answer takes too long")
    return bytes(content)
