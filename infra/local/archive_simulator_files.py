"""The simulated archive's files: the files of one folder, and synthetic files that need no disk.

The id `gen-<size>-<seed>` is a file of `<size>` bytes whose content and mtime are derived from the id. The content
repeats with a prime period, so bytes read from the wrong block-aligned offset never equal the right ones.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PERIOD = 262_139  # the largest prime below 256 KiB
READ_SIZE = 256 * 1024
LARGEST = 1 << 50
EARLIEST_MTIME = 1_400_000_000
SYNTHETIC_ID = re.compile(r"gen-([0-9]{1,16})-(.{0,200})", re.ASCII | re.DOTALL)

Chunk = bytes | memoryview


class ArchiveFile(Protocol):
    """A file of the archive: size in bytes, mtime in epoch seconds, and the bytes of any range."""

    @property
    def size(self) -> int: ...

    @property
    def mtime(self) -> float: ...

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]: ...


def find(folder: Path | None, archive_id: str) -> ArchiveFile | None:
    """The file with this id, or None. Only files directly in `folder` have an id."""
    synthetic = SYNTHETIC_ID.fullmatch(archive_id)
    if synthetic and int(synthetic[1]) <= LARGEST:
        return SyntheticFile(archive_id, int(synthetic[1]))
    if folder is None or "/" in archive_id or "\0" in archive_id or archive_id in ("", ".", ".."):
        return None
    path = folder / archive_id
    try:
        return StoredFile(path, path.stat().st_size, path.stat().st_mtime) if path.is_file() else None
    except OSError:  # a name longer than the file system allows
        return None


@dataclass(frozen=True, slots=True)
class StoredFile:
    path: Path
    size: int
    mtime: float

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            while start < stop:
                chunk = file.read(min(READ_SIZE, stop - start))
                if not chunk:
                    return
                start += len(chunk)
                yield chunk


@dataclass(frozen=True, slots=True)
class SyntheticFile:
    archive_id: str
    size: int

    @property
    def mtime(self) -> float:
        digest = hashlib.sha256(self.archive_id.encode()).digest()
        return EARLIEST_MTIME + int.from_bytes(digest[:4], "big") / 16

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        stop = min(stop, self.size)
        block = _block(self.archive_id, min(self.size, PERIOD))
        while start < stop:
            at = start % PERIOD
            chunk = block[at : at + min(stop - start, PERIOD)]
            start += len(chunk)
            yield chunk


@functools.lru_cache(maxsize=32)
def _block(archive_id: str, length: int) -> memoryview:
    """The first `length` bytes; twice if that is a whole period, so that a period can be cut at any offset."""
    block = hashlib.shake_128(archive_id.encode()).digest(length)
    return memoryview(block + block if length == PERIOD else block)
