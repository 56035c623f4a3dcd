"""What comes of a large file, hashed and written in pieces of a size that suits disks, through one buffer a thread."""

from __future__ import annotations

import os
import threading

from workers.archive.curl_handle import Enough
from workers.files.hashes import Hashing

BUFFER = 256 << 10

_buffers = threading.local()


class Receiver:
    """Into a descriptor, from its offset on; `most`: bytes that are wanted; one more is taken."""

    def __init__(self, descriptor: int, hashing: Hashing, most: int) -> None:
        self._descriptor = descriptor
        self._hashing = hashing
        self._most = most
        self._buffer = _buffer()
        self._held = 0
        self._written = 0

    def take(self, block: memoryview) -> None:
        """Raises OSError where the disk does, and Enough when more comes than is wanted."""
        block = block[: self._most + 1 - self._written - self._held]
        while block:
            piece, block = block[: BUFFER - self._held], block[BUFFER - self._held :]
            self._buffer[self._held : self._held + len(piece)] = piece
            self._held += len(piece)
            if self._held == BUFFER:
                self._flush()
        if self._written + self._held > self._most:
            raise Enough

    def finish(self) -> int:
        """Write what is still held; the bytes received in all."""
        self._flush()
        return self._written

    def _flush(self) -> None:
        piece = self._buffer[: self._held]
        self._hashing.update(piece)
        write(self._descriptor, piece)
        self._written += self._held
        self._held = 0


def write(descriptor: int, block: memoryview) -> None:
    """All of it, however little the system takes at once."""
    while block:
        block = block[os.write(descriptor, block) :]


def _buffer() -> memoryview:
    """This thread's one buffer."""
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(bytearray(BUFFER))
    view: memoryview = _buffers.view
    return view
