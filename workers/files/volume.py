"""The volume: staged files on disk.

A file lies under its final name only whole and verified: it is written under `tmp/`, checked, given its archive's
mtime, and renamed. The name is derived from the archive id alone, so nothing a client sends reaches a path. What the
mtime and size say is checked again before any byte is bundled, so a file cut short by a dead machine is never used.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from chalicelib.errors import VolumeUnavailable

FOLDERS = 256
#: What is said of a file system that cannot be used for now: read-only after an error, gone, or out of reach.
BROKEN = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN)
BLOCK = 4096  # what a file system gives at least
PREALLOCATED = 1 << 20  # bytes; smaller files gain nothing
PREALLOCATES = hasattr(os, "posix_fallocate")
NETWORK = ("nfs", "cifs", "smb", "fuse", "9p")


class StagedFileGone(Exception):
    """A staged file is not there, or not as it was staged."""

    def __init__(self, archive_id: str) -> None:
        super().__init__(archive_id)
        self.archive_id = archive_id


class Volume:
    def __init__(self, root: Path, limit: int, reserve: float) -> None:
        """`limit`: bytes that may be used, 0 for what the file system has; `reserve`: percentage kept free."""
        self._files = root / "files"
        self._tmp = root / "tmp"
        self._limit = limit
        self._reserve = reserve
        self.remote = True  # whether making a file here is round trips over a network

    def prepare(self) -> None:
        """Make the directories; raises OSError where the volume cannot be written."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        for number in range(FOLDERS):
            (self._files / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        self.remote = _on_network(self._tmp)

    def capacity(self) -> int:
        """Bytes the staged files may take when nothing else lies on the volume."""
        whole = self._whole(psutil.disk_usage(str(self._files)).total)
        return int(whole - self._kept(whole))

    def bound(self, used: int, staged: int) -> int:
        """Bytes the staged files may take in all now: `used` are promised to them, `staged` lie here already.

        What lies in `tmp/` is part of what is promised, but for what dead workers left there.
        """
        disk = psutil.disk_usage(str(self._files))
        ours = min(staged + self._temporary_bytes(), max(used, staged))
        others = max(0, disk.used - ours)
        room = min(disk.total - others, self._limit) if self._limit else disk.total - others
        return max(0, int(room - self._kept(self._whole(disk.total))))

    def _whole(self, disk: int) -> int:
        return min(disk, self._limit) if self._limit else disk

    def _kept(self, whole: int) -> float:
        return whole * self._reserve / 100

    def _temporary_bytes(self) -> int:
        taken = 0
        for file in os.scandir(self._tmp):
            try:
                taken += file.stat().st_blocks * 512
            except FileNotFoundError:
                continue  # it has its final name by now
        return taken

    def path(self, archive_id: str) -> Path:
        return Path(self._place(archive_id))

    @contextmanager
    def writing(self, archive_id: str, owner: str, size: int) -> Iterator[int]:
        """A descriptor to write the file to; it takes its final place only by `keep`, else it is gone."""
        temporary = self._temporary(archive_id, owner)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            if size >= PREALLOCATED and PREALLOCATES and not self.remote:
                os.posix_fallocate(descriptor, 0, size)  # in one piece; a full disk shows here
            yield descriptor
        except BaseException:
            _remove(temporary)
            raise
        finally:
            os.close(descriptor)

    def keep(self, archive_id: str, owner: str, mtime_ns: int) -> None:
        """Give a file that was written whole its final name."""
        temporary = self._temporary(archive_id, owner)
        os.utime(temporary, ns=(mtime_ns, mtime_ns))
        os.rename(temporary, self._place(archive_id))

    def discard(self, archive_id: str, owner: str) -> None:
        _remove(self._temporary(archive_id, owner))

    def open(self, archive_id: str, size: int, mtime_ns: int) -> int:
        """A descriptor to read a staged file from. Raises StagedFileGone."""
        try:
            descriptor = os.open(self._place(archive_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise StagedFileGone(archive_id) from error
        found = os.fstat(descriptor)
        if found.st_size != size or found.st_mtime_ns != mtime_ns:
            os.close(descriptor)
            raise StagedFileGone(archive_id)
        return descriptor

    def has(self, archive_id: str, size: int, mtime_ns: int) -> bool:
        """Whether a file lies here as it was staged."""
        try:
            found = os.stat(self._place(archive_id))
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (size, mtime_ns)

    def evict(self, archive_id: str) -> None:
        _remove(self._place(archive_id))

    def drop_older(self, owner: str) -> None:
        """Remove what earlier holds on the job of `owner`, `job-token`, left unfinished."""
        for other, paths in self.temporaries().items():
            if other != owner and other.partition("-")[0] == owner.partition("-")[0]:
                for path in paths:
                    path.unlink(missing_ok=True)

    def temporaries(self) -> dict[str, list[Path]]:
        """Unfinished files by owner, `job-token`."""
        found: dict[str, list[Path]] = {}
        for name in os.listdir(self._tmp):
            found.setdefault(name.rpartition("-")[0], []).append(self._tmp / name)
        return found

    def names(self, folder: int) -> list[str]:
        """Names of the files in one of the 256 directories."""
        return os.listdir(self._files / f"{folder:02x}")

    def exists(self, name: str) -> bool:
        return (self._files / name[:2] / name).exists()

    def remove(self, name: str) -> None:
        (self._files / name[:2] / name).unlink(missing_ok=True)

    # Plain text, not Path: these are made several times for each file.

    def _place(self, archive_id: str) -> str:
        name = name_of(archive_id)
        return f"{self._files}/{name[:2]}/{name}"

    def _temporary(self, archive_id: str, owner: str) -> str:
        return f"{self._tmp}/{owner}-{name_of(archive_id)[:32]}"


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


@contextmanager
def volume_faults() -> Iterator[None]:
    """What goes wrong with a volume that may be whole again later becomes VolumeUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno not in BROKEN:
            raise
        raise VolumeUnavailable(f"The volume cannot be used: {error.strerror}.") from error


def name_of(archive_id: str) -> str:
    """The name a file has on the volume; its first two letters name its directory."""
    return hashlib.sha256(archive_id.encode()).hexdigest()


def charge(size: int) -> int:
    """What a file of `size` bytes takes on the volume."""
    return -(-size // BLOCK) * BLOCK


def _on_network(folder: Path) -> bool:
    """Whether it is a network file system: there posix_fallocate writes a byte into every block instead."""
    mounts = [disk for disk in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(disk.mountpoint)]
    nearest = max(mounts, key=lambda disk: len(disk.mountpoint), default=None)
    return nearest is not None and nearest.fstype.startswith(NETWORK)
