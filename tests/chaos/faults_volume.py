"""Faults of the volume: it is full, read-only or has I/O errors, or files on it vanish or change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.chaos.faults import Fault
from tests.chaos.site import VOLUME_SIZE

FILLER = "other"


class VolumeFull(Fault):
    """Another program fills the volume to the last byte."""

    needs_mount = True

    def begin(self) -> None:
        self._filler = self.site.home.volume / FILLER
        self._fill()

    def tick(self) -> None:
        self._fill()

    def end(self) -> None:
        self._filler.unlink()

    def _fill(self) -> None:
        with self._filler.open("ab") as out:
            free = os.statvfs(self.site.home.volume)
            with suppress(OSError):  # full already
                out.write(bytes(min(VOLUME_SIZE, free.f_bavail * free.f_bsize)))


class VolumeReadOnly(Fault):
    """The volume is remounted read-only, as file systems do after an I/O error."""

    needs_mount = True
    _is_read_only = False

    def tick(self) -> None:
        if not self._is_read_only:
            self._is_read_only = self._remount("ro")  # fails while a file is open for writing, so try at every tick

    def end(self) -> None:
        self._remount("rw")

    def _remount(self, mode: str) -> bool:
        command = ["mount", "-o", f"remount,{mode}", str(self.site.home.volume)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


class DiskFails(Fault):
    """A share of all calls on the volume fails with EIO, on all workers but one."""

    def begin(self) -> None:
        _write_control(self.site.disk, {"share": self.rng.choice((0.02, 0.2, 0.6))})

    def end(self) -> None:
        _write_control(self.site.disk, {})


class BlocksBad(Fault):
    """Files staged during the fault can never be read again, even after it, on all workers but one."""

    def begin(self) -> None:
        self._bad = set[int]()

    def tick(self) -> None:
        for path in _files(self.site.home.volume / "files"):
            with suppress(FileNotFoundError):
                self._bad.add(path.stat().st_ino)
        _write_control(self.site.disk, {"bad": sorted(self._bad)})


class VolumeEmptied(Fault):
    """Someone empties the volume, including the directories of its layout."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.1, 1.5))
        for folder in ("files", "tmp"):
            shutil.rmtree(self.site.home.volume / folder, ignore_errors=True)

    def end(self) -> None:
        self.site.make_reconcile_due()  # otherwise the volume stays unusable for up to 45 s


class FilesVanish(Fault):
    """Someone removes staged files and files that are being written."""

    def tick(self) -> None:
        files = list(_files(self.site.home.volume))
        for path in self.rng.sample(files, min(3, len(files))):
            path.unlink(missing_ok=True)


class FilesChange(Fault):
    """One byte of a staged file changes while its size and mtime stay; the byte must never reach a bundle."""

    def tick(self) -> None:
        files = list(_files(self.site.home.volume / "files"))
        for path in self.rng.sample(files, min(3, len(files))):
            with suppress(OSError):  # evicted meanwhile
                self._flip_byte(path)

    def _flip_byte(self, path: Path) -> None:
        before = path.stat()
        with path.open("r+b") as file:
            file.seek(self.rng.randrange(max(1, before.st_size)))
            byte = file.read(1)
            if byte:
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 0xFF]))
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def _write_control(control: Path, content: dict[str, object]) -> None:
    """Replaces the control file atomically, so that no worker reads half of it."""
    temporary = control.with_suffix(".new")
    temporary.write_text(json.dumps(content))
    temporary.rename(control)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != FILLER]


VOLUME_FAULTS = (VolumeFull, VolumeReadOnly, DiskFails, BlocksBad, VolumeEmptied, FilesVanish, FilesChange)
