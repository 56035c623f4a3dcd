"""Sink for large files: hashes and writes 256 KiB blocks, through one buffer per thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from workers.archive.messages import EnoughReceived
from workers.files.hashes import Hashing

BLOCK = 256 << 10  # bytes

_buffers = threading.local()


class FileSink:
    """Writes to a descriptor, from its current offset on."""

    def __init__(
        self, descriptor: int, hashing: Hashing, limit: int, landed: Callable[[int], None] = lambda size: None
    ) -> None:
        """`limit`: bytes expected. One byte more is accepted, so that a file that is too long shows.

        `landed` is called with the bytes written so far.
        """
        self._descriptor = descriptor
        self._hashing = hashing
        self._limit = limit
        self._landed = landed
        self._buffer = _thread_buffer()
        self._buffered = 0
        self._written = 0

    def take(self, block: memoryview) -> None:
        """Add bytes. Raises OSError from the disk, and EnoughReceived when more come than the limit."""
        block = block[: self._limit + 1 - self._written - self._buffered]
        while block:
            piece, block = block[: BLOCK - self._buffered], block[BLOCK - self._buffered :]
            self._buffer[self._buffered : self._buffered + len(piece)] = piece
            self._buffered += len(piece)
            if self._buffered == BLOCK:
                self._flush()
        if self._written + self._buffered > self._limit:
            raise EnoughReceived

    def finish(self) -> int:
        """Write what is still buffered; return the bytes received in all."""
        self._flush()
        return self._written

    def _flush(self) -> None:
        piece = self._buffer[: self._buffered]
        self._hashing.update(piece)
        write_all(self._descriptor, piece)
        self._written += self._buffered
        self._buffered = 0
        self._landed(self._written)


def write_all(descriptor: int, block: memoryview) -> None:
    """Write the whole block, however little the system accepts at once."""
    while block:
        block = block[os.write(descriptor, block) :]


def _thread_buffer() -> memoryview:
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(bytearray(BLOCK))
    view: memoryview = _buffers.view
    return view
