"""Simulates a disk with I/O errors: `child.py` starts a worker with its `os` calls on the volume wrapped.

dm-flakey would be the real thing, but the kernels this runs on have no device mapper, and a remount can make a volume
read-only but cannot fail a single block. Workers access the volume through `os`, so the wrappers fail there; they miss
only the read of a staged file for its hashes. The control file holds the probability with which any call fails, and
the inodes that can never be read (inodes, so that a file that is pulled again is on other blocks).
"""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_INTERVAL = 0.1
BY_PATH = ("open", "stat", "unlink", "utime", "rename", "listdir", "scandir")
READS = ("read", "pread", "preadv", "readv", "sendfile")
BY_DESCRIPTOR = (*READS, "write", "writev", "pwrite", "pwritev", "fsync", "posix_fallocate")


class Disk:
    """The failures that the control file asks for."""

    def __init__(self, volume: str, control: Path) -> None:
        self._volume = volume
        self._control = control
        self._error_rate, self._bad_inodes = 0.0, frozenset[int]()
        self._inodes: dict[int, int] = {}  # by file descriptor, for files on the volume
        self._rng = random.Random(os.getpid())

    def install(self) -> None:
        for name in BY_PATH:
            setattr(os, name, self._by_path(name, getattr(os, name)))
        for name in BY_DESCRIPTOR:
            if hasattr(os, name):
                setattr(os, name, self._by_descriptor(name, getattr(os, name)))
        threading.Thread(target=self._poll_control_file, daemon=True).start()

    def _poll_control_file(self) -> None:
        while True:
            try:
                control = json.loads(self._control.read_text())
            except (OSError, ValueError):
                control = {}
            self._error_rate, self._bad_inodes = control.get("share", 0.0), frozenset(control.get("bad", ()))
            time.sleep(POLL_INTERVAL)

    def _by_path(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        fstat = os.fstat

        @functools.wraps(call)
        def wrapper(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            named = isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self._volume)
            on_volume = named or path in self._inodes or kwargs.get("dir_fd", kwargs.get("src_dir_fd")) in self._inodes
            if on_volume:
                self._maybe_fail()
            result = call(path, *args, **kwargs)
            if on_volume and name == "open":
                self._inodes[result] = fstat(result).st_ino
            elif name == "open":
                self._inodes.pop(result, None)  # the descriptor's number may have been one of the volume's before
            return result

        return wrapper

    def _by_descriptor(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(descriptor: Any, *args: Any, **kwargs: Any) -> Any:
            inode = self._inodes.get(args[0] if name == "sendfile" else descriptor)
            if inode is not None:
                self._maybe_fail()
                if name in READS and inode in self._bad_inodes:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(descriptor, *args, **kwargs)

        return wrapper

    def _maybe_fail(self) -> None:
        if self._error_rate and self._rng.random() < self._error_rate:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
