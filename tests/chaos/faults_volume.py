"""A volume that is full, read-only, fails to read and write, or loses and changes what was put there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.chaos.faults import Fault
from tests.chaos.site import VOLUME


class VolumeFull(Fault):
    """Something else fills the disk to the last byte."""

    needs_mount = True

    def begin(self) -> None:
        self._other = self.site.home.volume / "other"
        self._fill()

    def tick(self) -> None:
        self._fill()

    def end(self) -> None:
        self._other.unlink()

    def _fill(self) -> None:
        with self._other.open("ab") as out:
            room = os.statvfs(self.site.home.volume)
            try:
                out.write(bytes(min(VOLUME, room.f_bavail * room.f_bsize)))
            except OSError:
                pass  # full already


class VolumeReadOnly(Fault):
    """The volume is remounted read-only, as a file system does that has seen an I/O error."""

    needs_mount = True
    _is = False

    def tick(self) -> None:
        if not self._is:
            self._is = self._remount("ro")  # refused while a file is being written: tried again

    def end(self) -> None:
        self._remount("rw")

    def _remount(self, how: str) -> bool:
        command = ["mount", "-o", f"remount,{how}", str(self.site.home.volume)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


class DiskFails(Fault):
    """EIO for a share of all calls on the volume, for all workers but one."""

    def begin(self) -> None:
        _write(self.site.disk, {"share": self.rng.choice((0.02, 0.2, 0.6))})

    def end(self) -> None:
        _write(self.site.disk, {})


class BlocksBad(Fault):
    """Whatever is staged cannot be read any more, by all workers but one, also when the fault is over."""

    def begin(self) -> None:
        self._bad = set[int]()

    def tick(self) -> None:
        for path in _files(self.site.home.volume / "files"):
            with suppress(FileNotFoundError):
                self._bad.add(path.stat().st_ino)
        _write(self.site.disk, {"bad": sorted(self._bad)})


class VolumeEmptied(Fault):
    """Somebody empties the volume, the folders of its layout and all."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.1, 1.5))
        for folder in ("files", "tmp"):
            shutil.rmtree(self.site.home.volume / folder, ignore_errors=True)

    def end(self) -> None:
        self.site.database.rows("UPDATE volume SET reconciled_at = 0")  # else it is the next sweep's work after 45 s


class FilesVanish(Fault):
    """Staged files and files being written are removed by someone else."""

    def tick(self) -> None:
        found = list(_files(self.site.home.volume))
        for path in self.rng.sample(found, min(3, len(found))):
            path.unlink(missing_ok=True)


class FilesChange(Fault):
    """A byte of a staged file changes on the disk, its size and time do not: no bundle may ever have it."""

    def tick(self) -> None:
        found = list(_files(self.site.home.volume / "files"))
        for path in self.rng.sample(found, min(3, len(found))):
            self._flip(path)

    def _flip(self, path: Path) -> None:
        try:
            before = path.stat()
            with path.open("r+b") as file:
                file.seek(self.rng.randrange(max(1, before.st_size)))
                byte = file.read(1)
                if byte:
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 0xFF]))
            os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
        except OSError:
            pass  # it was evicted meanwhile


def _write(control: Path, said: dict[str, object]) -> None:
    """At once, so that no worker reads half of it."""
    half = control.with_suffix(".new")
    half.write_text(json.dumps(said))
    half.rename(control)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "other"]


VOLUME_FAULTS = (VolumeFull, VolumeReadOnly, DiskFails, BlocksBad, VolumeEmptied, FilesVanish, FilesChange)
