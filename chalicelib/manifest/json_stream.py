"""Streams a manifest's options and entries from its text: one JSON object, or JSON lines. Pure.

JSON lines: one entry a line; a first line that is no entry has the options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.manifest.json_values import (
    DECODER,
    DEEPEST,
    NO_KEY,
    SINGLE_QUOTE,
    NotJson,
    RefusedConstant,
    RepeatedKeys,
    explained,
    is_too_deep,
)
from chalicelib.manifest.options import CHECKS
from chalicelib.manifest.paths import kind, shown
from chalicelib.manifest.text_window import LONGEST, TextWindow

MAX_KEYS = 1000  # beside `fileids`; each is read and ignored
IN_DOCUMENT = "beside 'fileids'"
IN_FIRST_LINE = "in the first line"
BODY = "body"
ENTRY_KEYS = ("id", "path")
TOO_DEEP = f"is nested deeper than {DEEPEST} levels"
KINDS = {"[": "a list", '"': "a string"}
CLOSING = ("]", "}")

_DOCUMENT = re.compile(r'\{[ \t\r\n]*"fileids"')


class BrokenLine(NotJson):
    """Stands for the entry in a line that is not JSON."""


class ManifestStream:
    """`members` yields (key, value) for what the manifest says, and (None, entry) for each entry of `fileids`.

    A list as `fileids` is yielded empty, before its entries. `line`: that of the last entry, 0 if not in JSON lines.
    `inside`: the key that is being read, for an error; None in an entry. Nothing that is yielded has been checked.
    """

    def __init__(self, window: TextWindow) -> None:
        self._window = window
        self.inside: str | None = BODY
        self.where = IN_DOCUMENT
        self.line = 0

    def members(self) -> Iterator[tuple[str | None, Any]]:
        """Raises NotJson, and whatever the window's source raises."""
        window = self._window
        first = window.peek()
        if not first:
            raise NotJson("is empty")
        if first != "{":
            raise NotJson(f"must be an object, not {KINDS.get(first) or kind(window.value())}")
        yield from self._lines() if self._is_lines() else self._document()

    def _is_lines(self) -> bool:
        """Whether the first line is a whole object that is an entry, or options alone."""
        window = self._window
        if _DOCUMENT.match(window.text, window.at):
            return False
        end = window.line_end()
        if end - window.at > LONGEST:
            return False
        try:
            found, stop = DECODER.raw_decode(window.text, window.at)
        except (ValueError, RecursionError, RefusedConstant):
            return False
        return stop <= end and "fileids" not in found and any(key in found for key in (*ENTRY_KEYS, *CHECKS))

    def _lines(self) -> Iterator[tuple[str | None, Any]]:
        self.where = IN_FIRST_LINE
        first = self._line_value()
        if isinstance(first, dict) and not any(key in first for key in ENTRY_KEYS):
            yield from first.pairs if isinstance(first, RepeatedKeys) else first.items()
        else:
            yield "fileids", []
            yield None, first
        while self._window.peek():
            value = self._line_value()
            yield "fileids", []
            yield None, value

    def _line_value(self) -> Any:
        window = self._window
        self.line = window.mark()
        end = window.line_end()
        if end - window.at > LONGEST:
            raise window.too_long()
        line = window.text[window.at : end]
        window.at = end
        try:
            value, stop = DECODER.raw_decode(line)
        except RecursionError:
            return BrokenLine(TOO_DEEP)
        except RefusedConstant as error:
            return BrokenLine(str(error))
        except ValueError as error:
            return _broken(line, error)
        if is_too_deep(line, 0, stop):
            return BrokenLine(TOO_DEEP)
        if rest := line[stop:].strip(" \t\r"):
            return BrokenLine(f"has something after its value: {shown(rest)}")
        return value

    def _document(self) -> Iterator[tuple[str | None, Any]]:
        window = self._window
        keys, listed = 0, False
        for key in self._keys():
            keys += 1
            if keys > MAX_KEYS:
                raise NotJson(f"has more than {MAX_KEYS} keys")
            self.inside = key
            if key != "fileids":
                yield key, window.value()
                continue
            if listed:
                raise NotJson("is there twice")
            listed = True
            if window.text[window.at] != "[":
                yield key, window.value()
                continue
            yield key, []
            self.inside = None
            for _ in self._each("]"):
                yield None, window.value()
        if window.peek():
            raise NotJson(f"has something after its end, at {window.words(window.at)}")

    def _keys(self) -> Iterator[str]:
        """The keys of the object at the window, which then is at the value."""
        window = self._window
        for _ in self._each("}"):
            self.inside = BODY
            if window.peek() != '"':
                raise window.wrong(SINGLE_QUOTE if window.peek() == "'" else NO_KEY)
            key = window.value()
            if window.peek() != ":":
                raise window.wrong("a colon is missing")
            window.at += 1
            if not window.peek():
                raise window.wrong("a value is missing")
            yield key
            self.inside = BODY

    def _each(self, closes: str) -> Iterator[None]:
        """Stop at each element of the list or object that the window is at the beginning of; then move behind it."""
        window = self._window
        window.at += 1
        if window.peek() == closes:
            window.at += 1
            return
        if not window.peek():
            raise window.wrong("it ends")
        while True:
            yield
            mark = window.peek()
            if mark not in (",", closes):
                raise window.wrong("a comma is missing")
            window.at += 1
            if mark == closes:
                return
            after = window.peek()
            if after in CLOSING:
                raise window.wrong(f"there is a comma before '{after}'")
            if not after:
                raise window.wrong("it ends")


def _broken(line: str, error: ValueError) -> BrokenLine:
    what, position = explained(error, line)
    if is_too_deep(line, 0, position):
        return BrokenLine(TOO_DEEP)
    if position >= len(line.rstrip(" \t\r")) or what.startswith("a string does not end"):
        return BrokenLine("ends within a value: a line of JSON lines is a whole one")
    return BrokenLine(f"is not JSON at column {position + 1}: {what}")
