"""Files that this user alone may read and write, in directories that another user may have tampered with.

No call follows a symbolic link, neither at the file nor at its directory, and none takes anything but a regular file
for one. So a user who can write to the volume can make the cart pull a file again, but cannot make it read, write
or delete anything elsewhere.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
#: Never waits for the other end of a FIFO.
READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
READ_AND_WRITE = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
#: What opening a symbolic link or a socket answers.
NO_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP)

log = logging.getLogger(__name__)


def make_directory(path: str) -> None:
    """Create a directory, or make one of an earlier release private. Raises NotADirectoryError for a symbolic link."""
    with suppress(FileExistsError):
        os.mkdir(path, DIRECTORY_MODE)
        return
    found = os.lstat(path).st_mode
    if not stat.S_ISDIR(found):
        raise NotADirectoryError(errno.ENOTDIR, "must be a directory, not a symbolic link or a file", path)
    if stat.S_IMODE(found) & 0o077:
        with suppress(PermissionError):  # it belongs to another user: it goes on working as it did
            os.chmod(path, DIRECTORY_MODE)


def replace_directory(parent: str, name: str) -> None:
    """As `make_directory`, but what is there and is no directory makes way for one."""
    try:
        make_directory(f"{parent}/{name}")
    except NotADirectoryError:
        log.warning("%s/%s is not a directory: replacing it", parent, name)
        with opened(parent) as directory:
            remove(directory, name)
        make_directory(f"{parent}/{name}")


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of a directory, for the calls below. Raises NotADirectoryError for a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def create(directory: int, name: str) -> int:
    """A descriptor of a new file; whatever has its name is removed first."""
    try:
        return os.open(name, CREATE, FILE_MODE, dir_fd=directory)
    except FileExistsError:
        remove(directory, name)
        return os.open(name, CREATE, FILE_MODE, dir_fd=directory)


def open_regular(directory: int, name: str, flags: int = READ) -> int | None:
    """A descriptor of a regular file with no other name; None if there is none."""
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno in NO_FILE and not is_regular(directory, name):
            return None
        raise
    if _is_plain(os.fstat(descriptor)):
        return descriptor
    os.close(descriptor)
    return None


def is_regular(directory: int, name: str) -> bool:
    """Whether `open_regular` would open it."""
    with suppress(FileNotFoundError):
        return _is_plain(os.stat(name, dir_fd=directory, follow_symlinks=False))
    return False


def is_named(directory: int, name: str, descriptor: int) -> bool:
    """Whether the open file still has this name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=directory, follow_symlinks=False))
    return False


def size_of(directory: int, name: str) -> int:
    """Bytes; 0 where there is no such file."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_size
    return 0


def listed(directory: int, ours: Callable[[str], bool]) -> list[str]:
    """The names of all files, and of directories that have a name of ours; other directories are left alone."""
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if ours(entry.name) or not entry.is_dir(follow_symlinks=False)]


def rename(source: int, old: str, target: int, new: str) -> None:
    """Rename a file, replacing whatever has the new name."""
    try:
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
    except IsADirectoryError:
        remove(target, new)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)


def remove(directory: int, name: str) -> None:
    """Remove whatever has this name, if anything has. A directory goes with all that is in it."""
    try:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            raise
        log.warning("%s is a directory where a file belongs: removing it", name)
        shutil.rmtree(name, dir_fd=directory)


def _is_plain(found: os.stat_result) -> bool:
    """Not a file that is also somewhere else, where its owner could change it; some file systems count no links."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1
