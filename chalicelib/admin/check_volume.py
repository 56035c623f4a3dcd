"""Check of `doctor`: the volume, where this machine has it."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from chalicelib.admin.checks import Check, Problem
from chalicelib.config.settings import Settings
from chalicelib.readable_size import readable_size

SIZE = 1 << 20  # bytes that are written
SLOW = 2.0  # seconds of a write and fsync
MOUNT = "Is it mounted, and may this user write there? docs/volume.md says what workers need."
FULL = "Something else fills the disk: workers keep VOLUME_RESERVE free. Make room, or lower VOLUME_LIMIT."
SAME = "Mount one file system at VOLUME_PATH: files are renamed from `tmp` to `files`."
WORDS = {
    errno.EROFS: "is read-only",
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is full: its quota is used up",
    errno.EACCES: "cannot be written by this user",
}


def volume_checks(settings: Settings) -> Iterator[Check]:
    """None without VOLUME_PATH: the API has no volume."""
    if settings.volume_path is not None:
        path = settings.volume_path
        yield Check("volume", lambda: _volume(path, settings.volume_reserve), MOUNT)


def _volume(path: Path, reserve: float) -> str:
    if not path.is_dir():
        raise Problem(f"{path} does not exist, or is no directory", MOUNT)
    parts = [folder for folder in (path / "tmp", path / "files") if folder.exists()]
    if len({folder.stat().st_dev for folder in parts}) > 1:
        raise Problem(f"{path}/tmp and {path}/files are on different file systems", SAME)
    try:
        seconds = _write(parts[0] if parts else path)
    except OSError as error:
        words = WORDS.get(error.errno or 0, f"cannot be written: {error.strerror}")
        raise Problem(f"{path} {words}", FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else MOUNT) from error
    disk = shutil.disk_usage(path)
    free = f"{readable_size(disk.free)} of {readable_size(disk.total)} free"
    if disk.free < disk.total * reserve / 200:
        raise Problem(f"{path}: {free}, less than half of VOLUME_RESERVE", FULL)
    if seconds > SLOW:
        raise Problem(f"{path}: writing {readable_size(SIZE)} took {seconds:.1f} s", "Is the disk or its server busy?")
    return f"{path}: {free}, written and synced in {1000 * seconds:.0f} ms"


def _write(folder: Path) -> float:
    """Seconds that it takes to write and sync a small file, as workers do."""
    file = folder / f".doctor-{uuid.uuid4().hex}"
    started = time.monotonic()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        left = os.urandom(SIZE)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        file.unlink()
    return time.monotonic() - started
