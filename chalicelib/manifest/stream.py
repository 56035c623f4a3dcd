"""Streams the entries of an uploaded manifest, which is JSON as in a POST or JSON lines. Pure.

JSON lines: one entry per line; a first line without an `id` may set `root`. Memory use does not depend on the size of
the manifest.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ijson

from chalicelib.errors import InvalidManifest

LONGEST_LINE = 1 << 20
BLOCK = 1 << 16
DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Root:
    """The root directory the manifest names, unchecked."""

    name: Any


def stream(blocks: Iterable[bytes]) -> Iterator[Root | dict[str, Any] | object]:
    """A Root if the manifest has one, and the unchecked entries. Raises InvalidManifest, which names the place."""
    source: io.BufferedReader[Any] = io.BufferedReader(Blocks(blocks), 1 << 16)
    head = source.peek(1 << 16)[: 1 << 16]
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    return _lines(source) if _is_whole_line(first) else _document(source)


class Blocks(io.RawIOBase):
    """A readable file over an iterable of blocks."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        got = min(len(buffer), len(self._left))
        buffer[:got] = self._left[:got]
        self._left = self._left[got:]
        return got


def _is_whole_line(line: bytes) -> bool:
    """Whether the first line is a JSON object that is not a whole manifest: then each line is an entry."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "fileids" not in value and ("id" in value or "root" in value)


def _lines(source: io.BufferedReader[Any]) -> Iterator[Root | object]:
    number = 0
    while line := source.readline(LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            value = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError) as error:
            raise InvalidManifest([f"line {number}: is not JSON"]) from error
        if number == 1 and isinstance(value, dict) and "root" in value and "id" not in value:
            yield Root(value["root"])
        else:
            yield value


def _document(source: io.BufferedReader[Any]) -> Iterator[Root | object]:
    """Read a manifest that is one JSON object; only the current entry is in memory."""
    reader = _Reader()
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    silent = 0
    try:
        while block := source.read1(BLOCK):
            parser.send(block)
            silent = 0 if events else silent + len(block)
            reader.feed(len(block), silent)
            for event, value in events:
                yield from reader.on_event(event, value)
            del events[:]
        parser.close()
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidManifest([f"body: is not JSON: {' '.join(str(error).split())[:80]}"]) from error
    if not reader.listed:
        raise InvalidManifest(["fileids: is missing, or is not a list"])


class _Reader:
    """Builds entries from the parser's events. Raises InvalidManifest for one that would grow without bound."""

    def __init__(self) -> None:
        self.listed = False
        self._depth = 0
        self._key = ""  # of the manifest's own object, at depth 1
        self._number = 0
        self._size = 0  # bytes read since the entry began, within a block
        self._builder: Any = None

    def feed(self, size: int, silent: int) -> None:
        """Record that `size` bytes were read, and that the parser has emitted no event for `silent` bytes."""
        self._size += size
        if self._builder is not None and self._size > LONGEST_LINE + 2 * BLOCK:
            raise InvalidManifest([f"fileids[{self._number}]: is longer than {LONGEST_LINE} bytes"])
        if silent > LONGEST_LINE:
            raise InvalidManifest(
                [f"body: a text, a number or a run of blanks in it is longer than {LONGEST_LINE} bytes"]
            )

    def on_event(self, event: str, value: Any) -> Iterator[Root | object]:
        opens, closes = event in ("start_map", "start_array"), event in ("end_map", "end_array")
        if closes:
            self._depth -= 1
        if self._depth == 0 and event != "start_map" and not closes:
            raise InvalidManifest(["body: must be an object"])
        if self._depth == 1:
            self._manifest_event(event, value)
            if self._key == "root" and event not in ("map_key", "end_map", "end_array"):
                yield Root(value)
        elif self._in_list:
            yield from self._entry_event(event, value)
        if opens:
            self._depth += 1
            if self._depth > DEEPEST:
                raise InvalidManifest(["body: is not a manifest: it is nested too deeply"])

    @property
    def _in_list(self) -> bool:
        return self.listed and self._key == "fileids" and self._depth >= 2

    def _manifest_event(self, event: str, value: Any) -> None:
        if event == "map_key":
            self._key = value
        elif self._key == "fileids" and event == "start_array":
            self.listed = True

    def _entry_event(self, event: str, value: Any) -> Iterator[object]:
        """Yield complete entries. One that is not an object is passed on (a list as []), so its check rejects it."""
        begins = self._depth == 2 and event not in ("end_map", "end_array")
        if begins and event == "start_map":
            self._builder, self._size = ijson.ObjectBuilder(), 0
        elif begins:
            yield [] if event == "start_array" else value
            self._number += 1
        if self._builder is not None:
            self._builder.event(event, value)
            if self._depth == 2 and event == "end_map":
                yield self._builder.value
                self._builder = None
                self._number += 1
