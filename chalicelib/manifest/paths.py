"""Which text may be a name or a path inside a bundle, and which paths a manifest has taken so far.

Invariant: a path that passes here stays below its root on every system that unpacks the bundle, and has one spelling.
The checks raise ValueError with the reason; who calls them knows the place it belongs to.
"""

from __future__ import annotations

import re
from hashlib import blake2b

MAX_SEGMENT = 255
MAX_PATH = 4096
MAX_DEPTH = 512  # segments; every one may be a directory with a header of its own
# C0, DEL and C1 controls, and the two separators that some software takes for the end of a line.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_path(raw: object) -> str:
    """The path without the one leading `/` that clients send for a file without a folder."""
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
    """A string that is not empty and holds nothing that any header, path or log would stumble over."""
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
    """`text` fit for a message: escaped, on one line, at most some 80 characters."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."[:80]


def kind(raw: object) -> str:
    """What JSON calls the type of `raw`."""
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
    """The files and directories of a manifest so far, some 25 bytes for each however long its path.

    A path is kept as the 128 bits of its digest, of which the first 16 choose a bucket: a string of records that is
    searched at C speed. A dict would take several times the memory, and a million entries are to be affordable.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}
        self._last_folder: str | None = None

    def claim(self, path: str, number: int) -> int:
        """Take `path` for the file of entry `number`; how many directories, the root included, are new with it.

        Counted from the innermost: above an existing directory there is no new one.
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
        if folder == self._last_folder:  # most entries lie beside the one before
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
        if at < 0:  # otherwise it is a record's: a match across two is as unlikely as two paths of one digest
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


_KEPT = 14  # bytes of the key in a record; the two before them name the bucket
_RECORD = _KEPT + 5


def _key(path: str) -> bytes:
    return blake2b(path.encode(), digest_size=2 + _KEPT).digest()
