"""A directory in which idle workers can be woken by other processes of the machine.

Each worker has a named pipe there. Its name says whether the worker sleeps; who wakes it renames the pipe first, so
that a worker is woken by one process, once. A pipe without a reader is what a killed worker left, and is removed.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import stat
from contextlib import suppress
from pathlib import Path

ASLEEP, AWAKE = ".asleep", ".awake"
READERS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC  # opens a pipe that somebody reads, or fails

log = logging.getLogger(__name__)


class WakeDirectory:
    """Thread-safe. A fault of the directory is logged once: workers also look by themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._said = ""

    def wake(self, most: int = 1) -> int:
        """Wake up to `most` sleeping workers, chosen by chance; returns how many."""
        woken = 0
        try:
            sleeping = [name for name in os.listdir(self.path) if name.endswith(ASLEEP)]
            random.shuffle(sleeping)
            for name in sleeping:
                if woken >= most:
                    break
                woken += self._wake(self.path / name)
        except FileNotFoundError:
            pass  # no worker of this machine has slept yet
        except OSError as error:
            self.failed(error)
        return woken

    def remove_dead(self) -> None:
        """Remove the pipes of workers that were killed."""
        self._living()

    def sleeping(self) -> int:
        """How many workers sleep."""
        return sum(name.endswith(ASLEEP) for name in self._living())

    def failed(self, error: OSError) -> None:
        if self._said != str(error):
            log.warning("workers cannot be woken and look every two seconds: %s", error)
        self._said = str(error)

    def _living(self) -> list[str]:
        """The names of all pipes that a worker reads. Those of killed workers are removed, all else is left alone."""
        names = [name for name in os.listdir(self.path) if name.endswith((ASLEEP, AWAKE))]
        return [name for name in names if self._is_read(self.path / name)]

    def _is_read(self, path: Path) -> bool:
        try:
            pipe = os.open(path, READERS)
        except OSError as error:
            if error.errno == errno.ENXIO:
                path.unlink(missing_ok=True)
            return False
        try:
            return _is_pipe(pipe)
        finally:
            os.close(pipe)

    def _wake(self, asleep: Path) -> bool:
        """Whether it was woken. What is no pipe that this process may open is renamed, and so passed over later."""
        awake = asleep.with_suffix(AWAKE)
        try:
            os.rename(asleep, awake)
        except FileNotFoundError:
            return False  # another process wakes it, or it has woken
        except OSError as error:
            self.failed(error)
            return False
        try:
            pipe = os.open(awake, READERS)
        except FileNotFoundError:
            return True  # it sleeps again, and has looked after what the caller committed
        except OSError as error:
            if error.errno == errno.ENXIO:
                awake.unlink(missing_ok=True)  # nobody reads it
            elif error.errno in (errno.EACCES, errno.EPERM):
                self.failed(error)
            return False
        try:
            return _ring(pipe)
        finally:
            os.close(pipe)


def _ring(pipe: int) -> bool:
    if not _is_pipe(pipe):
        return False
    with suppress(BlockingIOError):  # it is full of wake-ups
        os.write(pipe, b"!")
    return True


def _is_pipe(descriptor: int) -> bool:
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
