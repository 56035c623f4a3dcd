"""The volume: staged files on disk.

A file has its final name only when it is whole and verified: it is written under `tmp/`, checked, given its
mtime, and renamed. The name is derived from the archive id alone, so nothing that a client sends reaches a path. Size
and mtime are checked again before any byte is bundled, so a file that a crashed machine cut short is never used.
Files and directories are private to the workers' user, and no symbolic link is followed (own_files.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from chalicelib.errors import VolumeUnavailable
from chalicelib.job_message import Claim
from chalicelib.stores.space_account import BLOCK as BLOCK
from workers.files import own_files
from workers.files.disk_look import DiskLook, look_at
from workers.files.file_spec import FileSpec
from workers.files.names import NO_CLAIM, claim_of, name_of, partial_of, temporary_of, version_in
from workers.files.partial_files import LOCAL_PATIENCE, REMOTE_PATIENCE, PartialFiles, Sleep
from workers.files.preallocate import preallocate
from workers.files.stamps import is_stamp, stamp_of

DIRECTORIES = 256
#: Errors of a file system that cannot be used for now: read-only after an error, unmounted, or unreachable.
UNUSABLE = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN)
#: A symbolic link or a file in place of a directory, which ReconcileHandler may replace.
NOT_OURS = (errno.ENOTDIR, errno.ELOOP)
NAME_LENGTH = 64  # hex digits of a staged file's name
PREALLOCATED_FROM = 1 << 20  # bytes; smaller files gain nothing
PREALLOCATES = hasattr(os, "posix_fallocate")
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
        self._root = root
        self._files = root / "files"
        self._tmp = root / "tmp"
        self._partials = PartialFiles(self._tmp)
        self._limit = limit
        self._reserve = reserve
        self._is_network = is_network or on_network_file_system
        self.is_remote = True  # whether creating a file takes round trips over a network

    def prepare(self) -> None:
        """Create the directories. Raises OSError if the volume cannot be written, or is not a directory of its own."""
        self._root.mkdir(mode=own_files.DIRECTORY_MODE, parents=True, exist_ok=True)
        for directory in (self._tmp, self._files):
            own_files.make_directory(str(directory))
        for number in range(DIRECTORIES):
            own_files.replace_directory(str(self._files), f"{number:02x}")
        self.is_remote = self._is_network(self._tmp)

    def capacity(self, look: DiskLook | None = None) -> int:
        """Bytes that staged files may use when nothing else is on the volume."""
        usable = self._usable(look.total if look else psutil.disk_usage(str(self._files)).total)
        return int(usable - self._kept_free(usable))

    def look(self) -> DiskLook:
        """What is on the disk now."""
        return look_at(self._files, self._tmp)

    def usable(self, look: DiskLook, used: int, staged: int) -> int:
        """Bytes that staged files may use, given what else was on the disk at that look.

        `used` bytes were reserved for them, `staged` of these were on the volume. Files in `tmp/` are part of what was
        reserved, except those that dead workers left there.
        """
        ours = min(staged + look.temporary, max(used, staged))
        others = max(0, look.used - ours)
        room = min(look.total - others, self._limit) if self._limit else look.total - others
        return max(0, int(room - self._kept_free(self._usable(look.total))))

    def _usable(self, disk: int) -> int:
        return min(disk, self._limit) if self._limit else disk

    def _kept_free(self, usable: int) -> float:
        return usable * self._reserve / 100

    def path(self, archive_id: str) -> Path:
        name = name_of(archive_id)
        return self._files / name[:2] / name

    @contextmanager
    def writing(self, archive_id: str, claim: Claim, size: int) -> Iterator[int]:
        """Yield a descriptor of a temporary file for `size` bytes. `keep` gives it its final name.

        An exception removes it.
        """
        temporary = temporary_of(archive_id, claim)
        with own_files.opened(f"{self._tmp}") as directory:
            descriptor = own_files.create(directory, temporary)
        try:
            if size >= PREALLOCATED_FROM and PREALLOCATES and not self.is_remote:
                os.posix_fallocate(descriptor, 0, size)  # in one piece; a full disk shows here
            yield descriptor
        except BaseException:
            self.discard(archive_id, claim)
            raise
        finally:
            os.close(descriptor)

    @contextmanager
    def continuing(self, spec: FileSpec, claim: Claim, sleep: Sleep) -> Iterator[tuple[int, int]]:
        """As PartialFiles.writing, with space on the disk for the whole file. Then `keep_partial` it."""
        patience = REMOTE_PATIENCE if self.is_remote else LOCAL_PATIENCE
        with self._partials.writing(spec, claim, sleep, patience) as (descriptor, size):
            if not self.is_remote:
                preallocate(descriptor, spec.size)
            yield descriptor, size

    def keep(self, archive_id: str, claim: Claim, mtime_ns: int) -> None:
        """Give a temporary file that is whole and verified its final name."""
        self._keep(temporary_of(archive_id, claim), name_of(archive_id), mtime_ns)

    def keep_partial(self, spec: FileSpec, claim: Claim) -> None:
        """As `keep`."""
        self._keep(partial_of(spec, claim), name_of(spec.archive_id), spec.mtime_ns)

    def _keep(self, temporary: str, name: str, mtime_ns: int) -> None:
        stamp = stamp_of(mtime_ns)
        with own_files.opened(f"{self._tmp}") as tmp, self._opened(name) as directory:
            os.utime(temporary, ns=(stamp, stamp), dir_fd=tmp, follow_symlinks=False)
            own_files.rename(tmp, temporary, directory, name)

    def discard(self, archive_id: str, claim: Claim) -> None:
        """Remove a temporary file."""
        self.remove_temporaries([temporary_of(archive_id, claim)])

    def discard_partial(self, spec: FileSpec, claim: Claim) -> None:
        self.remove_temporaries([partial_of(spec, claim)])

    def open(self, archive_id: str, size: int, mtime_ns: int) -> int:
        """Open a staged file for reading; return its descriptor. Raises StagedFileGone."""
        name = name_of(archive_id)
        with self._opened(name) as directory:
            descriptor = own_files.open_regular(directory, name)
        if descriptor is None:
            raise StagedFileGone(archive_id)
        found = os.fstat(descriptor)
        if found.st_size != size or not is_stamp(found.st_mtime_ns, mtime_ns):
            os.close(descriptor)
            raise StagedFileGone(archive_id)
        return descriptor

    def has(self, archive_id: str, size: int, mtime_ns: int) -> bool:
        """Whether the file is on the volume as it was staged."""
        try:
            os.close(self.open(archive_id, size, mtime_ns))
        except (FileNotFoundError, StagedFileGone):
            return False
        return True

    def remove_staged(self, archive_id: str) -> None:
        self.remove(name_of(archive_id))

    def remove_older_temporaries(self, claim: Claim) -> None:
        """Remove the temporary files that earlier claims of the same job left, but no partial files."""
        for other, names in self.temporaries().items():
            if other != claim and other.job_id == claim.job_id:
                self.remove_temporaries(name for name in names if not version_in(name))

    def temporaries(self) -> dict[Claim, list[str]]:
        """The names of all temporary files, by the claim that writes them; NO_CLAIM for a file of any other name."""
        found: dict[Claim, list[str]] = {}
        with own_files.opened(f"{self._tmp}") as directory:
            for name in own_files.listed(directory, lambda name: claim_of(name) != NO_CLAIM):
                found.setdefault(claim_of(name), []).append(name)
        return found

    def remove_temporaries(self, names: Iterable[str]) -> None:
        with own_files.opened(f"{self._tmp}") as directory:
            for name in names:
                own_files.remove(directory, name)

    def names(self, directory: int) -> list[str]:
        """The names of the files in one of the 256 directories."""
        with self._opened(f"{directory:02x}") as opened:
            return own_files.listed(opened, lambda name: len(name) == NAME_LENGTH)

    def exists(self, name: str) -> bool:
        with self._opened(name) as directory:
            return own_files.is_regular(directory, name)

    def remove(self, name: str) -> None:
        with self._opened(name) as directory:
            own_files.remove(directory, name)

    def _opened(self, name: str) -> AbstractContextManager[int]:
        """The directory of the file with this name."""
        return own_files.opened(f"{self._files}/{name[:2]}")


@contextmanager
def volume_errors() -> Iterator[None]:
    """Turn errors of a volume that may recover into VolumeUnavailable. Also serves as a decorator."""
    try:
        yield
    except FileNotFoundError as error:
        # The volume was emptied; ReconcileHandler recreates its directories.
        raise VolumeUnavailable(f"{error.filename} is missing from the volume.") from error
    except OSError as error:
        if error.errno not in UNUSABLE + NOT_OURS:
            raise
        raise VolumeUnavailable(f"The volume cannot be used: {error.strerror}.") from error


def is_full(error: OSError) -> bool:
    """Whether the disk, or its quota, is full. WindowHandler then returns the reservation."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def allocated_bytes(size: int) -> int:
    """Bytes that a file of `size` bytes takes on the volume."""
    return -(-size // BLOCK) * BLOCK


def on_network_file_system(directory: Path) -> bool:
    """Whether this is a network file system. There posix_fallocate would write a byte into every block."""
    mounts = [disk for disk in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(disk.mountpoint)]
    nearest = max(mounts, key=lambda disk: len(disk.mountpoint), default=None)
    return nearest is not None and nearest.fstype.startswith(NETWORK)
