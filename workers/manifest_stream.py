"""An uploaded manifest as a stream of its entries: JSON as in a POST, or JSON lines, plain or gzipped. Pure.

JSON lines: one entry a line; a first line without an `id` may set `root`. Memory does not grow with the manifest.
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
ENTRIES = "fileids.item"


@dataclass(frozen=True, slots=True)
class Root:
    """The manifest names its root directory."""

    name: Any


def stream(blocks: Iterable[bytes]) -> Iterator[Root | dict[str, Any] | object]:
    """A Root where there is one, and the raw entries, unchecked. Raises InvalidManifest naming the place."""
    source: io.BufferedReader[Any] = io.BufferedReader(Blocks(blocks), 1 << 16)
    head = source.peek(1 << 16)[: 1 << 16]
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    return _lines(source) if _is_whole_line(first) else _document(source)


class Blocks(io.RawIOBase):
    """Blocks of bytes as a file to read."""

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
    """Whether the first line is JSON by itself that is no manifest: then there is one entry a line."""
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
    """Of the one JSON object a manifest is, only the entry that is being read is in memory."""
    builder: ijson.ObjectBuilder | None = None
    listed = False
    try:
        for prefix, event, value in ijson.parse(source, use_float=True):
            listed = listed or (prefix == "fileids" and event == "start_array")
            if prefix == "root":
                yield Root(value)
            elif prefix == ENTRIES and builder is None and event != "start_map":
                yield value if event in ("string", "number", "boolean", "null") else []
            elif prefix.startswith(ENTRIES):
                builder = builder or ijson.ObjectBuilder()
                builder.event(event, value)
                if prefix == ENTRIES and event == "end_map":
                    yield builder.value
                    builder = None
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidManifest([f"body: is not JSON: {str(error)[:80]}"]) from error
    if not listed:
        raise InvalidManifest(["fileids: is missing, or is not a list"])
