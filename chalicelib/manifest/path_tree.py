"""The files and directories of a manifest, and which of them collide when a bundle is extracted. Pure."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from unicodedata import is_normalized, normalize

FOLDER = 1
NUMBER = 4  # bytes

#: Called with an entry's number, a path that differs only in case from another's, and that one's number.
OnCase = Callable[[int, str, int], None]


def folded(path: str) -> str:
    """The same for all paths that file systems which ignore case or Unicode normal forms take for one."""
    if path.isascii():
        return path.lower()
    if is_normalized("NFC", path) and path.casefold() == path:
        return path
    return normalize("NFC", normalize("NFD", path).casefold())


class PathTree:
    """The paths of a manifest so far, in about 30 bytes each, and 25 more for one with capitals or that is not NFC.

    A path is stored as a digest of 80 bits: a chance collision makes one false refusal in 10^12 full carts. Beside it
    stand the *twins*, in 64 bits: the folded or NFC form of a path that is not in that form itself.
    """

    def __init__(self, on_case: OnCase) -> None:
        self._on_case = on_case
        self._paths = _Digests(10)
        self._twins = _Digests(8)  # a chance collision of 64 bits makes one false warning in 10^7 full carts
        self._last_folder: str | None = None

    def claim(self, path: str, number: int) -> int:
        """Add the file of entry `number`; how many of its directories are new, from the innermost up, root included.

        Raises ValueError if the path conflicts with another entry's.
        """
        key = _key(path)
        holder = self._paths.find(key)
        if holder is not None:
            other = f"fileids[{holder >> 1}].path"
            raise ValueError(f"is a directory in {other}" if holder & FOLDER else f"is the same as {other}")
        folder = path.rpartition("/")[0]
        # Most entries are in the folder of the one before.
        fresh = [] if folder == self._last_folder else self._fresh_folders(folder)
        if not path.isascii():
            self._refuse_other_form(path)
        for name, folder_key in fresh:
            self._note(name, folder_key, number, FOLDER)
        self._note(path, key, number, 0)
        self._last_folder = folder
        return len(fresh)

    def _fresh_folders(self, folder: str) -> list[tuple[str, bytes]]:
        fresh: list[tuple[str, bytes]] = []
        while True:
            key = _key(folder)
            holder = self._paths.find(key)
            if holder is not None:
                if not holder & FOLDER:
                    raise ValueError(f"lies inside fileids[{holder >> 1}].path, which is a file")
                return fresh
            if not folder.isascii():
                self._refuse_other_form(folder)
            fresh.append((folder, key))
            if not folder:
                return fresh
            folder = folder.rpartition("/")[0]

    def _refuse_other_form(self, path: str) -> None:
        """`path` is new: refuse it if it is known in another Unicode normal form."""
        form = normalize("NFC", path)
        holder = self._twins.find(_form_key(form))
        if holder is None and form != path:
            holder = self._paths.find(_key(form))
        if holder is not None:
            other = f"fileids[{holder >> 1}].path"
            raise ValueError(
                f"{ascii(path)[:80]} and a name in {other} differ only in their Unicode normal form:"
                " many systems extract only one of them"
            )

    def _note(self, path: str, key: bytes, number: int, what: int) -> None:
        value = 2 * number + what
        self._paths.put(key, value)
        fold = folded(path)
        if fold == path:
            other = self._twins.find(key)
        else:
            fold_key = _key(fold)
            other = self._twins.find(fold_key)
            if other is None:
                other = self._paths.find(fold_key)
            if other is None:
                self._twins.put(fold_key, value)
            if not is_normalized("NFC", path):
                self._twins.put(_form_key(normalize("NFC", path)), value)
        if other is not None:
            self._on_case(number, path, other >> 1)


class _Digests:
    """Digest -> number below 2^32, in about the bytes these have.

    The first 16 bits choose a bucket, a byte string of records that is searched at C speed. A dict would take several
    times the memory, which matters at a million entries.
    """

    def __init__(self, size: int) -> None:
        """`size`: how many bytes of a digest are kept."""
        self._size = size
        self._kept = size - 2
        self._record = self._kept + NUMBER
        self._buckets: dict[bytes, bytearray] = {}

    def find(self, key: bytes) -> int | None:
        bucket = self._buckets.get(key[:2])
        if bucket is None:
            return None
        # A match across two records is as unlikely as a collision of digests.
        at = bucket.find(key[2 : self._size])
        return None if at < 0 else int.from_bytes(bucket[at + self._kept : at + self._record], "big")

    def put(self, key: bytes, number: int) -> None:
        record = key[2 : self._size] + number.to_bytes(NUMBER, "big")
        bucket = self._buckets.get(key[:2])
        if bucket is None:
            self._buckets[key[:2]] = bytearray(record)
        else:
            bucket += record


def _key(path: str) -> bytes:
    return blake2b(path.encode(), digest_size=16).digest()


def _form_key(path: str) -> bytes:
    """Of a path's NFC form; no path contains a NUL."""
    return _key(f"\0{path}")
