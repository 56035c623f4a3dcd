"""What is on the disk of the volume at one moment, and how much of it are files that are being pulled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class DiskLook:
    """Bytes: of the file system, in use there, and of temporary files; and whether there are any of these."""

    total: int
    used: int
    temporary: int
    has_temporaries: bool


def look_at(files: Path, tmp: Path) -> DiskLook:
    """Temporary files are measured before the disk, so bytes that land meanwhile are not taken for ours.

    One that is removed or renamed before the look ends does not count. Raises OSError.
    """
    sizes = dict(_sizes(tmp))
    disk = psutil.disk_usage(str(files))
    with os.scandir(tmp) as entries:
        left = {(entry.name, entry.inode()) for entry in entries}
    temporary = sum(size for key, size in sizes.items() if key in left)
    return DiskLook(disk.total, disk.used, temporary, bool(left))


def _sizes(tmp: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """Name and inode of each file, and its bytes on the disk."""
    with os.scandir(tmp) as entries:
        for entry in entries:
            try:
                yield (entry.name, entry.inode()), entry.stat(follow_symlinks=False).st_blocks * 512
            except FileNotFoundError:
                continue  # it has been renamed to its final name
