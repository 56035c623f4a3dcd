"""Measured data that is no longer needed, kept until the benchmark ends.

For minutes after a file is removed, ext4 does not reuse its inode but checks it each time a file is created
(`find_inode_bit` in its ialloc.c). If thousands of small files are removed between two measurements, each file that the
next one creates costs 0.2 ms more, which is more than a worker needs for the rest of it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

LARGE = 1 << 20  # bytes; such files are few, and keeping them would fill the disk


def move(folder: Path, path: Path) -> None:
    """Delete the large files below `path` and move the rest to the trash of `folder`."""
    if not path.exists():
        return
    for file in path.rglob("*"):
        if not file.is_symlink() and file.is_file() and file.stat().st_size >= LARGE:
            file.unlink()
    _trash(folder).mkdir(exist_ok=True)
    path.rename(Path(tempfile.mkdtemp(dir=_trash(folder))) / path.name)


def empty(folder: Path) -> None:
    shutil.rmtree(_trash(folder), ignore_errors=True)


def _trash(folder: Path) -> Path:
    return folder / "trash"
