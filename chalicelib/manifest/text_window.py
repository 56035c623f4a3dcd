"""A window that slides over a manifest's text and decodes JSON values from it, one at a time. Pure.

It holds at most a few times LONGEST, and reads each character a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from chalicelib.manifest.json_values import DECODER, DEEPEST, NotJson, RefusedConstant, explained, is_too_deep

LONGEST = 1 << 20  # characters of one value, line, or run of blanks
BLANKS = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r'[^][{},:" \t\n\r]*')


class TextWindow:
    """`text` from `at` on is unread. Every method raises NotJson, with the place in the text."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self.text = ""
        self.at = 0
        self.ended = False
        self._chunks = iter(chunks)
        self._mark = 0  # a position in the window, its line and its column; places are counted from it
        self._line = 1
        self._column = 1

    def more(self) -> None:
        """Read on until twice as much is unread, or more than LONGEST, or to the end; move the window to `at`."""
        self.mark()
        parts = [self.text[self.at :]]
        unread = len(parts[0])
        wanted = max(unread + 1, min(2 * unread, LONGEST + 1))  # no more: decoding holds up all threads of a process
        while unread < wanted and not self.ended:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
            else:
                parts.append(chunk)
                unread += len(chunk)
        self.text, self.at, self._mark = "".join(parts), 0, 0

    def mark(self) -> int:
        """The line that `at` is in. Places before `at` are forgotten, so that asking for every line is cheap."""
        self._line, self._column = self.place(self.at)
        self._mark = self.at
        return self._line

    def peek(self) -> str:
        """Move over blanks to the next character and return it; "" at the end."""
        if self.at < len(self.text) and (mark := self.text[self.at]) > " ":
            return mark
        run = 0
        while True:
            start = self.at
            match = BLANKS.match(self.text, start)
            self.at = match.end() if match else start
            run += self.at - start
            if run > LONGEST:
                raise NotJson(f"has a run of blanks longer than {LONGEST} characters, up to {self.words(self.at)}")
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.more()

    def value(self) -> Any:
        """Decode the value that starts at `at`, and move behind it."""
        if self.text[self.at] not in '"{[':
            self._hold_scalar()
        while True:
            try:
                found, end = DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                raise self._too_deep() from None
            except RefusedConstant as error:
                raise NotJson(str(error)) from None
            except ValueError as error:
                self._wait(error)
                continue
            if end - self.at > LONGEST:
                raise self.too_long()
            if is_too_deep(self.text, self.at, end):
                raise self._too_deep()
            self.at = end
            return found

    def line_end(self) -> int:
        """Where the line that `at` is in ends: at its line feed, or the end of all text."""
        while True:
            end = self.text.find("\n", self.at)
            if end < 0 and not self.ended and len(self.text) - self.at <= LONGEST:
                self.more()
                continue
            return len(self.text) if end < 0 else end

    def wrong(self, what: str, position: int | None = None) -> NotJson:
        """`position`: where in the text; `at` if None."""
        position = self.at if position is None else position
        if position >= len(self.text) and self.ended:
            what = "it ends too early"
        return NotJson(f"is not JSON at {self.words(position)}: {what}")

    def too_long(self) -> NotJson:
        return NotJson(f"is longer than {LONGEST} characters, from {self.words(self.at)} on")

    def words(self, position: int) -> str:
        line, column = self.place(position)
        return f"line {line}, column {column}"

    def place(self, position: int) -> tuple[int, int]:
        """The line and the column of a position that is not before the mark, from 1."""
        lines = self.text.count("\n", self._mark, position)
        if lines:
            return self._line + lines, position - self.text.rfind("\n", 0, position)
        return self._line, self._column + position - self._mark

    def _hold_scalar(self) -> None:
        """Read on until a number or a word is in the window as a whole: `1` may go on as `15`."""
        while True:
            match = _SCALAR.match(self.text, self.at)
            end = match.end() if match else self.at
            if end - self.at > LONGEST:
                raise self.too_long()
            if end < len(self.text) or self.ended:
                return
            self.more()

    def _wait(self, error: ValueError) -> None:
        """Read on if the value may be incomplete; else raise what is wrong."""
        what, position = explained(error, self.text)
        unread = len(self.text) - self.at
        if unread > LONGEST and (position >= self.at + LONGEST or what.startswith("a string")):
            raise self.too_long()
        if self.ended or unread > LONGEST:
            if is_too_deep(self.text, self.at, position):
                raise self._too_deep()
            raise self.wrong(what, position)
        self.more()

    def _too_deep(self) -> NotJson:
        return NotJson(f"is nested deeper than {DEEPEST} levels, from {self.words(self.at)} on")
