"""How the values of a manifest are decoded from JSON, and what is wrong with those that are not JSON. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

DEEPEST = 32  # levels of one value; far below Python's own limit, which depends on the caller
MAX_DIGITS = 300  # more than any id may have; decoding an integer takes quadratic time
HUGE: int = 10**MAX_DIGITS
NEAR = 1000  # characters around an error that are searched for its reason

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_COMMA_BEFORE_END = re.compile(r",[ \t\n\r]*([\]}])")
SINGLE_QUOTE = "strings and keys stand in double quotes, not single ones"
TWICE = "is there twice, with different values"
NO_KEY = "a key in double quotes is missing"
#: json's message -> ours
_REASONS = {
    "Expecting value": "a value is missing",
    "Expecting ',' delimiter": "a comma is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Expecting property name enclosed in double quotes": NO_KEY,
    "Unterminated string starting at": "a string does not end",
    "Invalid control character at": "a line end, tab or other control character stands inside a string",
    "Invalid \\escape": r"a backslash must be written \\ in JSON; paths have / instead",
    "Invalid \\uXXXX escape": r"\u must be followed by four hexadecimal digits; paths have / instead of \\",
}


class NotJson(ValueError):
    """The text is not JSON, or more than we read of it. The message says why and where."""


class RefusedConstant(Exception):
    """NaN or an infinity: Python reads and writes them, JSON has none."""


class RepeatedKeys(dict[str, Any]):
    """An object with keys that stand in it more than once. `differing`: those with different values, in order."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs
        self.differing = list(dict.fromkeys(key for key, value in pairs if not _is_same(value, self[key])))


def is_too_deep(text: str, start: int, end: int) -> bool:
    """Whether the value in text[start:end] has more than DEEPEST levels.

    Of a value that does not end there: whether more levels are open, or closed one in another.
    """
    if text.count("[", start, end) + text.count("{", start, end) <= DEEPEST:
        return False
    outside_strings = text[start:end].replace("\\\\", "").replace('\\"', "").split('"')[::2]
    brackets = "".join(outside_strings).encode("ascii", "replace").translate(_AS_SQUARE, _NO_BRACKETS)
    for _ in range(DEEPEST):  # the innermost level goes
        brackets = brackets.replace(b"[]", b"")
    return len(brackets) > DEEPEST or b"[]" in brackets


def explained(error: ValueError, text: str) -> tuple[str, int]:
    """What is wrong, in words, and where in `text`. `error`: what the decoder raised."""
    if not isinstance(error, json.JSONDecodeError):
        raise error
    comma = _COMMA_BEFORE_END.search(text, max(0, error.pos - NEAR), error.pos + NEAR)
    if comma and comma.start() <= error.pos <= comma.start(1):
        return f"there is a comma before '{comma[1]}'", comma.start(1)
    if text[error.pos : error.pos + 1] == "'":
        return SINGLE_QUOTE, error.pos
    return _REASONS.get(error.msg, error.msg), error.pos


def _is_same(one: object, other: object) -> bool:
    """To Python, 1, 1.0 and true are equal."""
    return type(one) is type(other) and one == other


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedKeys(pairs)


def _integer(digits: str) -> int:
    if len(digits) <= MAX_DIGITS:
        return int(digits)
    return -HUGE if digits[0] == "-" else HUGE


def _refuse_constant(name: str) -> NoReturn:
    raise RefusedConstant(f"is not JSON: it has {name}, a number that JSON does not have")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse_constant)
