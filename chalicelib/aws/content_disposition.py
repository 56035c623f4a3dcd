"""The Content-Disposition of a download (RFC 6266, RFC 8187). Pure.

Invariant: the value is one line of printable ASCII, and the name in it has no slash, no leading dot and at most 255
bytes, whatever name the client asks for.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

MAX_NAME = 255
MAX_SUFFIX = 32
ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187, in addition to letters and digits
DIRECTIONAL = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
UNSAFE = re.compile(r'[/\\"]')


def attachment(filename: str | None, now: datetime) -> str:
    """The header's value for `filename`; without one, for `data_<now, UTC>.tar`.

    A name that is not ASCII appears twice: an ASCII approximation for old clients, then in full.
    """
    name = _cut(_clean(filename or "")) or _default(now)
    fallback = _cut(_clean(_ascii(name))) or "_"
    if fallback == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=ATTR_CHARS)}"


def _default(now: datetime) -> str:
    moment = now.astimezone(UTC) if now.tzinfo else now
    return moment.strftime("data_%Y_%m_%d_%H_%M_%S.tar")


def _clean(name: str) -> str:
    kept = "".join("_" if _unprintable(character) else character for character in UNSAFE.sub("_", name)).strip()
    bare = kept.lstrip(".")
    return "_" * (len(kept) - len(bare)) + bare


def _unprintable(character: str) -> bool:
    """Control characters, line ends, lone surrogates, and direction overrides, which can disguise a name."""
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in DIRECTIONAL
    )


def _ascii(name: str) -> str:
    """Drop accents; other characters become `_`, and so does `%`, which some clients treat as an escape."""
    letters = (character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character))
    return "".join(letter if letter.isascii() and letter != "%" else "_" for letter in letters)


def _cut(name: str) -> str:
    """Shorten to 255 bytes of UTF-8, keeping the suffix."""
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = dot + suffix if stem and len(suffix.encode()) < MAX_SUFFIX else ""
    whole = stem if ending else name
    return whole.encode()[: MAX_NAME - len(ending.encode())].decode(errors="ignore") + ending
