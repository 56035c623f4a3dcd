"""Checks of names and paths inside a bundle, and the tree of a manifest's paths. Pure.

Invariant: a path that passes stays below its root on every system that unpacks the bundle, and has only one spelling.
The checks raise ValueError with the reason; callers add the place.
"""

from __future__ import annotations

import re
from hashlib import blake2b

MAX_SEGMENT = 255
MAX_PATH = 4096
MAX_DEPTH = 512  # segments; each may be a directory with its own header
# C0, DEL and C1 controls, and two separators that some software treats as line ends.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_path(raw: object) -> str:
    """The path without one leading `/`: the existing client sends it for files without a folder."""
    path = check_text(raw).removeprefix("/")
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


def check_text(raw: object) -> str:
    """A non-empty string without characters that break a header, a path or a log line."""
    if not isinstance(raw, str):
        raise ValueError(f"must be a string, not {kind(raw)}")
    if not raw:
        raise ValueError("is empty")
    if CONTROL.search(raw):
        raise ValueError(f"must not contain control characters: {shown(raw)}")
    if "\\" in raw:
        raise ValueError(f"must not contain a backslash: {shown(raw)}")
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


def _check_segment(segment: str) -> None:
    if not segment:
        raise ValueError("must be relative and have no empty segment")
    if segment in (".", ".."):
        raise ValueError(f"must not have the segment {segment!r}")
    if byte_length(segment) > MAX_SEGMENT:
        raise ValueError(f"has a segment longer than {MAX_SEGMENT} bytes: {shown(segment)}")


class PathTree:
    """The files and directories of a manifest so far, about 25 bytes each.

    A path is stored as a digest of 128 bits. The first 16 choose a bucket, a byte string of records that is searched
    at C speed. A dict would take several times the memory, which matters at a million entries.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}
        self._last_folder: str | None = None

    def claim(self, path: str, number: int) -> int:
        """Add the file of entry `number`; how many of its directories are new, from the innermost up, root included.

        Raises ValueError if the path conflicts with another entry's.
        """
        key = _key(path)
        holder = self._holder(key)
        if holder:
            first, is_folder = holder
            other = f"fileids[{first}].path"
            raise ValueError(f"is a directory in {other}" if is_folder else f"is the same as {other}")
        fresh = self._fresh_folders(path)
        for folder in fresh:
            self._note(folder, number, is_folder=True)
        self._note(key, number, is_folder=False)
        return len(fresh)

    def _fresh_folders(self, path: str) -> list[bytes]:
        folder = path.rpartition("/")[0]
        if folder == self._last_folder:  # most entries are in the folder of the one before
            return []
        innermost, fresh = folder, []
        while True:
            key = _key(folder)
            holder = self._holder(key)
            if holder:
                first, is_folder = holder
                if not is_folder:
                    raise ValueError(f"lies inside fileids[{first}].path, which is a file")
                break
            fresh.append(key)
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        self._last_folder = innermost
        return fresh

    def _holder(self, key: bytes) -> tuple[int, bool] | None:
        bucket = self._buckets.get(key[:2])
        if bucket is None:
            return None
        at = bucket.find(key[2:])
        if at < 0:  # a match across two records is as unlikely as a collision of digests
            return None
        number, is_folder = divmod(int.from_bytes(bucket[at + _KEPT : at + _RECORD], "big"), 2)
        return number, bool(is_folder)

    def _note(self, key: bytes, number: int, *, is_folder: bool) -> None:
        record = key[2:] + (2 * number + is_folder).to_bytes(_RECORD - _KEPT, "big")
        bucket = self._buckets.get(key[:2])
        if bucket is None:
            self._buckets[key[:2]] = bytearray(record)
        else:
            bucket += record


_KEPT = 14  # bytes of the key in a record; the two before them choose the bucket
_RECORD = _KEPT + 5


def _key(path: str) -> bytes:
    return blake2b(path.encode(), digest_size=2 + _KEPT).digest()
