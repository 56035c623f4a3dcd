"""A disk with I/O errors, as a worker sees it: `child.py` starts it with the calls it makes on the volume wrapped.

The kernels this runs on have no device mapper (dm-flakey would be the real thing), and a remount can make a volume
read-only but not fail a single block. A worker's I/O on the volume goes through `os`, so that is where it fails; only
reading a staged file for its hashes alone does not. The control file says with which probability any call fails, and
which files (by inode, so that a file pulled anew lies on other blocks) can never be read. The product knows nothing of
it.
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

LOOK_EVERY = 0.1
BY_PATH = ("open", "stat", "unlink", "utime", "rename", "listdir", "scandir")
READS = ("read", "pread", "preadv", "readv", "sendfile")
BY_DESCRIPTOR = (*READS, "write", "writev", "pwrite", "pwritev", "fsync", "posix_fallocate")


class Disk:
    """What the control file says now."""

    def __init__(self, volume: str, control: Path) -> None:
        self._volume = volume
        self._control = control
        self._share, self._bad = 0.0, frozenset[int]()
        self._inodes: dict[int, int] = {}  # of the descriptors on the volume
        self._rng = random.Random(os.getpid())

    def install(self) -> None:
        for name in BY_PATH:
            setattr(os, name, self._by_path(name, getattr(os, name)))
        for name in BY_DESCRIPTOR:
            if hasattr(os, name):
                setattr(os, name, self._by_descriptor(name, getattr(os, name)))
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                said = json.loads(self._control.read_text())
            except (OSError, ValueError):
                said = {}
            self._share, self._bad = said.get("share", 0.0), frozenset(said.get("bad", ()))
            time.sleep(LOOK_EVERY)

    def _by_path(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        fstat = os.fstat

        @functools.wraps(call)
        def wrapped(path: Any = ".", *given: Any, **named: Any) -> Any:
            ours = isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self._volume)
            if ours:
                self._perhaps()
            result = call(path, *given, **named)
            if ours and name == "open":
                self._inodes[result] = fstat(result).st_ino
            elif name == "open":
                self._inodes.pop(result, None)  # its number was one of ours before
            return result

        return wrapped

    def _by_descriptor(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapped(descriptor: Any, *given: Any, **named: Any) -> Any:
            inode = self._inodes.get(given[0] if name == "sendfile" else descriptor)
            if inode is not None:
                self._perhaps()
                if name in READS and inode in self._bad:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(descriptor, *given, **named)

        return wrapped

    def _perhaps(self) -> None:
        if self._share and self._rng.random() < self._share:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
