"""The volume: staged files on disk.

A file has its final name only when it is whole and verified: it is written under `tmp/`, checked, given the archive's
mtime, and renamed. The name is derived from the archive id alone, so nothing that a client sends reaches a path. Size
and mtime are checked again before any byte is bundled, so a file that a crashed machine cut short is never used.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from chalicelib.errors import VolumeUnavailable
from chalicelib.job_message import Claim

DIRECTORIES = 256
#: Errors of a file system that cannot be used for now: read-only after an error, unmounted, or unreachable.
UNUSABLE = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN)
BLOCK = 4096  # bytes; the unit in which file systems allocate
PREALLOCATED_FROM = 1 << 20  # bytes; smaller files gain nothing
PREALLOCATES = hasattr(os, "posix_fallocate")
NO_CLAIM = Claim(0, 0)
NETWORK = ("nfs", "cifs", "smb", "fuse", "9p")


class StagedFileGone(Exception):
    """A staged file is missing, or is not as it was staged."""

    def __init__(self, archive_id: str) -> None:
        super().__init__(archive_id)
        self.archive_id = archive_id


class Volume:
    def __init__(
        self, root: Path, limit: int, reserve: float, is_network: Callable[[Path], bool] | None = None
    ) -> None:
        """`limit`: bytes that staged files may use, 0 for the whole file system; `reserve`: percentage kept free.

        `is_network`: whether a directory is on a network file system; asked once, by `prepare`.
        """
        self._files = root / "files"
        self._tmp = root / "tmp"
        self._limit = limit
        self._reserve = reserve
        self._is_network = is_network or on_network_file_system
        self.is_remote = True  # whether creating a file takes round trips over a network

    def prepare(self) -> None:
        """Create the directories. Raises OSError if the volume cannot be written."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        for number in range(DIRECTORIES):
            (self._files / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        self.is_remote = self._is_network(self._tmp)

    def capacity(self) -> int:
        """Bytes that staged files may use when nothing else is on the volume."""
        usable = self._usable(psutil.disk_usage(str(self._files)).total)
        return int(usable - self._kept_free(usable))

    def usable_now(self, used: int, staged: int) -> int:
        """Bytes that staged files may use now, given what else is on the disk.

        `used` bytes are reserved for them, `staged` of these are on the volume already. Files in `tmp/` are part of
        what is reserved, except those that dead workers left there.
        """
        disk = psutil.disk_usage(str(self._files))
        ours = min(staged + self._temporary_bytes(), max(used, staged))
        others = max(0, disk.used - ours)
        room = min(disk.total - others, self._limit) if self._limit else disk.total - others
        return max(0, int(room - self._kept_free(self._usable(disk.total))))

    def _usable(self, disk: int) -> int:
        return min(disk, self._limit) if self._limit else disk

    def _kept_free(self, usable: int) -> float:
        return usable * self._reserve / 100

    def _temporary_bytes(self) -> int:
        total = 0
        for file in os.scandir(self._tmp):
            try:
                total += file.stat().st_blocks * 512
            except FileNotFoundError:
                continue  # it has been renamed to its final name
        return total

    def path(self, archive_id: str) -> Path:
        return Path(self._place(archive_id))

    @contextmanager
    def writing(self, archive_id: str, claim: Claim, size: int) -> Iterator[int]:
        """Yield a descriptor of a temporary file for `size` bytes. `keep` gives it its final name.

        An exception removes it.
        """
        temporary = self._temporary(archive_id, claim)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            if size >= PREALLOCATED_FROM and PREALLOCATES and not self.is_remote:
                os.posix_fallocate(descriptor, 0, size)  # in one piece; a full disk shows here
            yield descriptor
        except BaseException:
            _remove(temporary)
            raise
        finally:
            os.close(descriptor)

    def keep(self, archive_id: str, claim: Claim, mtime_ns: int) -> None:
        """Give a temporary file that is whole and verified its final name."""
        temporary = self._temporary(archive_id, claim)
        os.utime(temporary, ns=(mtime_ns, mtime_ns))
        os.rename(temporary, self._place(archive_id))

    def discard(self, archive_id: str, claim: Claim) -> None:
        """Remove a temporary file."""
        _remove(self._temporary(archive_id, claim))

    def open(self, archive_id: str, size: int, mtime_ns: int) -> int:
        """Open a staged file for reading; return its descriptor. Raises StagedFileGone."""
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
        """Whether the file is on the volume as it was staged."""
        try:
            found = os.stat(self._place(archive_id))
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (size, mtime_ns)

    def remove_staged(self, archive_id: str) -> None:
        _remove(self._place(archive_id))

    def remove_older_temporaries(self, claim: Claim) -> None:
        """Remove the temporary files that earlier claims of the same job left."""
        for other, paths in self.temporaries().items():
            if other != claim and other.job_id == claim.job_id:
                for path in paths:
                    path.unlink(missing_ok=True)

    def temporaries(self) -> dict[Claim, list[Path]]:
        """The temporary files, by the claim that writes them; NO_CLAIM for a file of any other name.

        ReconcileHandler removes those whose claim is over.
        """
        found: dict[Claim, list[Path]] = {}
        for name in os.listdir(self._tmp):
            found.setdefault(_claim_of(name), []).append(self._tmp / name)
        return found

    def names(self, directory: int) -> list[str]:
        """The names of the files in one of the 256 directories."""
        return os.listdir(self._files / f"{directory:02x}")

    def exists(self, name: str) -> bool:
        return (self._files / name[:2] / name).exists()

    def remove(self, name: str) -> None:
        (self._files / name[:2] / name).unlink(missing_ok=True)

    # Strings, not Paths: these are built several times for each file.

    def _place(self, archive_id: str) -> str:
        name = name_of(archive_id)
        return f"{self._files}/{name[:2]}/{name}"

    def _temporary(self, archive_id: str, claim: Claim) -> str:
        return f"{self._tmp}/{claim.job_id}-{claim.token}-{name_of(archive_id)[:32]}"


def _claim_of(name: str) -> Claim:
    """The claim in a temporary file's name, `job-token-digest`."""
    job_id, _, rest = name.partition("-")
    token, _, digest = rest.partition("-")
    if not (job_id.isdecimal() and token.isdecimal() and digest):
        return NO_CLAIM
    return Claim(int(job_id), int(token))


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


@contextmanager
def volume_errors() -> Iterator[None]:
    """Turn errors of a volume that may recover into VolumeUnavailable. Also serves as a decorator."""
    try:
        yield
    except FileNotFoundError as error:
        # The volume was emptied; ReconcileHandler recreates its directories.
        raise VolumeUnavailable(f"{error.filename} is missing from the volume.") from error
    except OSError as error:
        if error.errno not in UNUSABLE:
            raise
        raise VolumeUnavailable(f"The volume cannot be used: {error.strerror}.") from error


def is_full(error: OSError) -> bool:
    """Whether the disk, or its quota, is full. WindowHandler then returns the reservation."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def name_of(archive_id: str) -> str:
    """The name of a file on the volume; its first two hex digits name its directory."""
    return hashlib.sha256(archive_id.encode()).hexdigest()


def allocated_bytes(size: int) -> int:
    """Bytes that a file of `size` bytes takes on the volume."""
    return -(-size // BLOCK) * BLOCK


def on_network_file_system(directory: Path) -> bool:
    """Whether this is a network file system. There posix_fallocate would write a byte into every block."""
    mounts = [disk for disk in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(disk.mountpoint)]
    nearest = max(mounts, key=lambda disk: len(disk.mountpoint), default=None)
    return nearest is not None and nearest.fstype.startswith(NETWORK)
