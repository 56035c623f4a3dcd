"""The files of `make demo`'s cart, the same on every run, and their manifest entries."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.archive import SAMPLES

FOLDERS = ("raw", "raw/spectra", "calibration", "Messwerte/größer", "測定/2026")
SIZES = (0, 1, 511, 512, 10_000, 100_000, 1_000_000, 3_000_000)
HASHES = ("sha256", "sha1", "md5")
FILES = 40


@dataclass(frozen=True, slots=True)
class DemoFile:
    """`hash_hex` is empty for a file of an external archive, whose hash is unknown."""

    archive_id: str
    path: str
    hash_name: str
    hash_hex: str

    def entry(self) -> dict[str, Any]:
        return {"id": self.archive_id, "path": self.path, "hashtype": self.hash_name, "hashsum": self.hash_hex}


def samples() -> list[DemoFile]:
    """The README's three sample files, which an external archive may have too."""
    return [DemoFile(name, f"samples/{name}", "md5", "") for name in SAMPLES]


def make_files(archive: Path) -> list[DemoFile]:
    """The sample files and FILES generated ones, with their hashes. Writes the generated files that are missing."""
    ids = {name: f"samples/{name}" for name in SAMPLES}
    for number in range(FILES):
        name = f"demo-{number:02}-µ.dat" if number % 10 == 3 else f"demo-{number:02}.dat"
        ids[name] = f"{FOLDERS[number % len(FOLDERS)]}/run {number:02}.dat"
        _write(archive / name, number)
    return [_described(archive / name, path, HASHES[n % len(HASHES)]) for n, (name, path) in enumerate(ids.items())]


def _write(file: Path, number: int) -> None:
    size = SIZES[number % len(SIZES)]
    if not file.exists() or file.stat().st_size != size:
        file.write_bytes(random.Random(number).randbytes(size))


def _described(file: Path, path: str, hash_name: str) -> DemoFile:
    with file.open("rb") as content:
        return DemoFile(file.name, path, hash_name, hashlib.file_digest(content, hash_name).hexdigest())
