"""Checks of names and paths inside a bundle. Pure.

Invariant: a path that passes stays below its root on every POSIX system that unpacks the bundle. What Windows cannot
hold, `portable_names` reports; names that fall together on extraction, `path_tree`.
The checks raise ValueError with the reason; callers add the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_SEGMENT = 255
MAX_PATH = 4096
MAX_DEPTH = 64  # segments; each may be a directory with headers of up to 1 KB, or 3 KB for a long path
# C0, DEL and C1 controls, and two separators that some software treats as line ends.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# Most paths pass every check below if they match this, in a quarter of the time.
PLAIN = re.compile(r"[A-Za-z0-9_][\w .-]{0,254}(?:/[A-Za-z0-9_][\w .-]{0,254})*", re.ASCII)


def check_path(raw: object) -> str:
    """The path without one leading `/`: the existing client sends it for files without a folder."""
    if isinstance(raw, str) and len(raw) <= MAX_PATH and raw.count("/") < MAX_DEPTH and PLAIN.fullmatch(raw):
        return raw
    path = check_text(raw, _without_backslashes).removeprefix("/")
    if not path:
        raise ValueError("is empty")
    if byte_length(path) > MAX_PATH:
        raise ValueError(f"is longer than {MAX_PATH} bytes")
    if path.count("/") >= MAX_DEPTH:
        raise ValueError(f"has more than {MAX_DEPTH} segments")
    for segment in path.split("/"):
        _check_segment(segment)
    return path


def check_name(raw: object) -> str:
    """A single segment: the root directory of a bundle."""
    name = check_text(raw)
    if "/" in name:
        raise ValueError("must not contain '/'")
    _check_segment(name)
    return name


def check_text(raw: object, advice: Callable[[str], str] = lambda _: "") -> str:
    """A non-empty string without characters that break a header, a path or a log line.

    `advice`: what to write instead of a text with backslashes.
    """
    if not isinstance(raw, str):
        raise ValueError(f"must be a string, not {kind(raw)}")
    if not raw:
        raise ValueError("is empty")
    if CONTROL.search(raw):
        raise ValueError(f"must not contain control characters: {shown(raw)}")
    if "\\" in raw:
        raise ValueError(f"must not contain a backslash: {shown(raw)}{advice(raw)}")
    return raw


def byte_length(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("must not contain a lone surrogate") from None


def shown(text: str) -> str:
    """`text` for a message: escaped, on one line, at most about 80 characters."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."[:80]


def kind(raw: object) -> str:
    """The JSON name of the type of `raw`."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", float: "a decimal number"}
    return "null" if raw is None else kinds.get(type(raw), "a number")


def _without_backslashes(raw: str) -> str:
    """Advice for a Windows path; "" if it would not be accepted without its drive and backslashes either."""
    path = re.sub(r"^[A-Za-z]:", "", raw).replace("\\", "/").strip("/")
    try:
        return f"; write {shown(check_path(path))}"
    except ValueError:
        return ""


def _check_segment(segment: str) -> None:
    if not segment:
        raise ValueError("must be relative and have no empty segment")
    if segment in (".", ".."):
        raise ValueError(f"must not have the segment {segment!r}")
    if byte_length(segment) > MAX_SEGMENT:
        raise ValueError(f"has a segment longer than {MAX_SEGMENT} bytes: {shown(segment)}")
