"""Large files that are being pulled: what was received of one outlives the worker that pulled it.

Each has one writer: that which holds its lock, which the system gives up when the process ends, however it ends. The
next writer locks the file and renames it to its own claim's name. A worker that froze still holds its lock, so its file
is not taken over. Without locks nothing is (ADR 0048).
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chalicelib.errors import VolumeUnavailable
from chalicelib.job_message import Claim
from workers.files import own_files
from workers.files.file_spec import FileSpec
from workers.files.names import digest_in, partial_of, version_in, version_of

#: Bytes. Of a smaller file, nothing stays: it is soon pulled again.
PARTIAL_FROM = 64 << 20
#: Bytes. From this size on, a file may be written out of order, at most AHEAD bytes beyond the first that is missing.
RANGED_FROM, AHEAD = 1 << 30, 128 << 20
#: Seconds until the lock of a worker that ended is free: one that drains ends in 2 s; a machine that is lost keeps its
#: locks on a network volume until the server gives up on it.
LOCAL_PATIENCE, REMOTE_PATIENCE = 10.0, 100.0
LOOK_EVERY = 0.25  # seconds
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

#: Waits for so many seconds; raises what ends the wait.
Sleep = Callable[[float], None]

log = logging.getLogger(__name__)


class PartialFiles:
    def __init__(self, directory: Path) -> None:
        self._directory = f"{directory}"

    @contextmanager
    def writing(self, spec: FileSpec, claim: Claim, sleep: Sleep, patience: float) -> Iterator[tuple[int, int]]:
        """Yield a descriptor of the partial file of these bytes, and its size: what earlier claims left there, or 0.

        It stays when the context ends. `patience`: the longest wait, in seconds, for another writer to end. Raises
        OSError, and VolumeUnavailable where another claim took the file over.
        """
        name = partial_of(spec, claim)
        with own_files.opened(self._directory) as directory:
            descriptor = self._taken_over(directory, spec, name, sleep, patience)
            if descriptor is None:
                descriptor = _created(directory, name)
        try:
            yield descriptor, _cut(descriptor, spec.size)
        finally:
            os.close(descriptor)

    def _taken_over(self, directory: int, spec: FileSpec, name: str, sleep: Sleep, patience: float) -> int | None:
        """The largest of what earlier claims left, under its new name and locked. The others are removed."""
        left = _left(directory, spec)
        taken = None
        for old in left:
            if taken is None and (taken := _locked_in_time(directory, old, sleep, patience)) is not None:
                _rename(directory, old, name, taken)
            elif old != name or taken is None:
                own_files.remove(directory, old)
        return taken


def _cut(descriptor: int, whole: int) -> int:
    """Cut off what may have gaps; return the size that is left."""
    size = os.fstat(descriptor).st_size
    if size and whole >= RANGED_FROM:
        size = max(0, size - AHEAD)
        os.ftruncate(descriptor, size)
    return size


def _rename(directory: int, old: str, name: str, descriptor: int) -> None:
    try:
        own_files.rename(directory, old, directory, name)
    except OSError:
        os.close(descriptor)
        raise


def _left(directory: int, spec: FileSpec) -> list[str]:
    """The partial files of these bytes, the largest first. Those of another version, or too long, are removed."""
    version, sizes = version_of(spec), {}
    for name in own_files.listed(directory, lambda name: bool(version_in(name))):
        if digest_in(version_in(name)) == digest_in(version):
            sizes[name] = own_files.size_of(directory, name)
            if version_in(name) != version or sizes[name] > spec.size:
                own_files.remove(directory, name)
                del sizes[name]
    return sorted(sizes, key=lambda name: sizes[name], reverse=True)


def _locked_in_time(directory: int, name: str, sleep: Sleep, patience: float) -> int | None:
    """A descriptor of the file, locked; None where it is gone, or its writer is still there after `patience`."""
    while True:
        descriptor = None
        with suppress(PermissionError):
            descriptor = own_files.open_regular(directory, name, own_files.READ_AND_WRITE)
        if descriptor is None:
            return None
        try:
            locked = _lock(descriptor)
            if locked and own_files.is_named(directory, name, descriptor):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in NO_LOCKS:
                return None
            raise
        os.close(descriptor)
        if not locked and patience <= 0:
            log.warning("%s is still being written by a worker that lost it: starting over", name)
            return None
        if not locked:
            patience -= LOOK_EVERY
            sleep(LOOK_EVERY)


def _lock(descriptor: int) -> bool:
    """Whether the file is locked now. Raises OSError where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _created(directory: int, name: str) -> int:
    """A descriptor of a new file, locked where there are locks."""
    descriptor = own_files.create(directory, name)
    try:
        ours = _lock(descriptor) and own_files.is_named(directory, name, descriptor)
    except OSError as error:
        ours = error.errno in NO_LOCKS
        if not ours:
            os.close(descriptor)
            raise
    if not ours:
        os.close(descriptor)
        raise VolumeUnavailable("Another worker has taken a file over.")
    return descriptor
