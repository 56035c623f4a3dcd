"""Checks of a manifest's ids, hashes and uid. Pure.

Each check raises ValueError with the reason; callers add the place. `check_uid` raises InvalidUid.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from chalicelib.errors import InvalidUid
from chalicelib.manifest.paths import byte_length, check_path, check_text, kind, shown

MAX_ID = 255
LEAST_ID, MOST_ID = -(10 ** (MAX_ID - 1)), 10**MAX_ID  # neither included
UID = re.compile(r"[A-Za-z0-9._-]{1,255}")
RESERVED = (".", "..", "-")  # parts of a path; `/-/` has the addresses of the service's own
HEX = re.compile(r"[0-9a-f]*")
#: Hash name -> digits of its hex form. Those hashlib guarantees and that have a fixed length, so not shake_*.
HASH_DIGITS = {
    name: 2 * hashlib.new(name, usedforsecurity=False).digest_size
    for name in sorted(hashlib.algorithms_guaranteed)
    if not name.startswith("shake_")
}


def check_uid(uid: str) -> str:
    """The cart's uid itself, which is safe in a URL, a key and a path. Raises InvalidUid."""
    if not UID.fullmatch(uid) or uid in RESERVED:
        raise InvalidUid
    return uid


def entry_path(raw: dict[str, Any]) -> str:
    if "path" not in raw:
        raise ValueError("is missing")
    return check_path(raw["path"])


def archive_id(raw: dict[str, Any]) -> str:
    if "id" not in raw:
        raise ValueError("is missing")
    given = raw["id"]
    if isinstance(given, int) and not isinstance(given, bool):
        if not LEAST_ID < given < MOST_ID:  # str() refuses thousands of digits
            raise ValueError(f"is longer than {MAX_ID} bytes")
        return str(given)
    if not isinstance(given, str):
        raise ValueError(f"must be an integer or a string, not {kind(given)}")
    if byte_length(check_text(given)) > MAX_ID:
        raise ValueError(f"is longer than {MAX_ID} bytes: {shown(given)}")
    for bad in ("/", "?", "#"):
        if bad in given:
            raise ValueError(f"must not contain {bad!r}: {shown(given)}")
    if given in (".", ".."):
        raise ValueError(f"must not be {given!r}")
    if given.endswith(" "):  # MySQL ignores trailing spaces when it compares keys
        raise ValueError(f"must not end in a space: {shown(given)}")
    return given


def hash_name(raw: dict[str, Any]) -> str:
    given = raw.get("hashtype")
    if _absent(given):
        if _absent(raw.get("hashsum")):
            return ""
        raise ValueError("is missing, but there is a hashsum")
    if not isinstance(given, str):
        raise ValueError(f"must be a string, not {kind(given)}")
    name = given.lower()
    if name not in HASH_DIGITS:
        raise ValueError(f"{shown(given)} is not one of {', '.join(HASH_DIGITS)}")
    return name


def hash_hex(raw: dict[str, Any], name: str | None) -> str:
    given = raw.get("hashsum")
    if _absent(given):
        return ""
    if not isinstance(given, str):
        raise ValueError(f"must be a string, not {kind(given)}")
    digits = given.lower()
    if not HEX.fullmatch(digits):
        raise ValueError(f"is not hexadecimal: {shown(given)}")
    if name and len(digits) != HASH_DIGITS[name]:
        raise ValueError(f"has {len(digits)} digits where {name} has {HASH_DIGITS[name]}")
    return digits


def _absent(given: object) -> bool:
    """An existing client sends `null` or `false` for a file without a hash."""
    return given is None or given is False or given == ""
