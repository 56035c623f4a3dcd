"""The archive's files for the workloads, and the manifest entries that name them.

The files are written once and kept. Each repetition uses its own ids, which are hard links to them: nothing it names is
staged yet, and all sides read the same pages of the page cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HASH = "sha1"
BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class File:
    archive_id: str
    path: str
    size: int
    digest: str

    def entry(self) -> dict[str, str]:
        return {"id": self.archive_id, "path": self.path, "hashtype": HASH, "hashsum": self.digest}


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files of one size; each repetition takes its own links to them."""

    archive: Path
    size: int
    digests: Sequence[str]

    def take(self, label: str, count: int, first: int = 0) -> list[File]:
        """`count` files under ids that begin with `label`; a new label gives unused ids."""
        files = []
        for number in range(first, first + count):
            archive_id = f"{label}-{number:06}"
            target = self.archive / archive_id
            if not target.exists():
                os.link(self.archive / _base(self.size, number), target)
            path = f"d{number // 100:03}/f{number:06}.bin"
            files.append(File(archive_id, path, self.size, self.digests[number]))
        return files


def make(archive: Path, size: int, count: int) -> FileSet:
    """Write the files that are missing; their digests are kept beside the archive."""
    archive.mkdir(parents=True, exist_ok=True)
    kept = archive.parent / f"digests-{size}.json"
    digests: list[str] = json.loads(kept.read_text()) if kept.exists() else []
    for number in range(len(digests), count):
        digests.append(_write(archive / _base(size, number), size, f"{size} {number}"))
    kept.write_text(json.dumps(digests))
    return FileSet(archive, size, digests)


def remove_links(archive: Path) -> None:
    """Remove the ids of earlier repetitions, but not the files behind them."""
    for name in os.listdir(archive) if archive.exists() else ():
        if not name.startswith("base-"):
            (archive / name).unlink()


def total(files: Sequence[File]) -> int:
    return sum(file.size for file in files)


def _base(size: int, number: int) -> str:
    return f"base-{size}-{number:06}"


def _write(target: Path, size: int, seed: str) -> str:
    hasher = hashlib.new(HASH, usedforsecurity=False)
    with target.open("wb") as out:
        for block in _blocks(size, seed):
            out.write(block)
            hasher.update(block)
    return hasher.hexdigest()


def _blocks(size: int, seed: str) -> Iterator[bytes]:
    noise = random.Random(seed)
    while size:
        step = min(size, BLOCK)
        yield noise.randbytes(step)
        size -= step
