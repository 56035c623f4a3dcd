"""A part as a file to upload: headers from the layout, data from the volume, nothing assembled."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from chalicelib.errors import StoreUnavailable
from workers.files.volume import StagedFileGone, Volume
from workers.staging.parts import WindowWork
from workers.tar.layout import Run, Span

AT_ONCE = 1 << 20  # bytes


class PartView(io.RawIOBase):
    """A range of a run as a seekable file; one staged file is open at a time."""

    def __init__(self, run: Run, work: WindowWork, volume: Volume, start: int, stop: int) -> None:
        self._run = run
        self._work = work
        self._volume = volume
        self._start = start
        self._stop = stop
        self._at = start
        self._pieces: Iterator[bytes | Span] = iter(())
        self._literal = memoryview(b"")
        self._open: tuple[int, int, int] | None = None  # descriptor, position in the file, bytes left of the span
        self._reading = ""  # the file that is open
        self._moved = True
        self._gone: StagedFileGone | None = None
        self._buffer = memoryview(b"")

    @contextmanager
    def telling_what_is_gone(self) -> Iterator[None]:
        """A client of the store hides what a body raises behind its own fault; this tells it after all."""
        try:
            yield
        except StoreUnavailable as error:
            if self._gone is not None:
                raise self._gone from error
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._at, io.SEEK_END: self._stop}[whence]
        self._at = min(max(base + offset, self._start), self._stop)
        self._moved = True
        return self.tell()

    def __len__(self) -> int:
        return self._stop - self._start

    def read(self, size: int = -1) -> bytes:
        """The next bytes, valid until the next call: up to AT_ONCE whatever the size, and all without one.

        An HTTP client asks for 16 KB at a time, and sends what it gets: more at once costs half of it the CPU.
        """
        if size < 0:
            return b"".join(bytes(block) for block in iter(lambda: self.read(AT_ONCE), b""))
        if not self._buffer:
            self._buffer = memoryview(bytearray(min(AT_ONCE, len(self))))
        return cast(bytes, self._buffer[: self.readinto(self._buffer)])

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as the part goes. Raises StagedFileGone."""
        if self._moved:
            self._restart()
        view, filled = memoryview(buffer).cast("B"), 0
        try:
            while filled < len(view) and self._at < self._stop:
                got = self._some(view[filled:])
                filled += got
                self._at += got
        except StagedFileGone as error:
            self._gone = error
            raise
        return filled

    def close(self) -> None:
        self._close_file()
        super().close()

    def _restart(self) -> None:
        self._close_file()
        self._pieces = self._run.pieces(self._at, self._stop)
        self._literal = memoryview(b"")
        self._moved = False

    def _some(self, view: memoryview) -> int:
        if not self._literal and self._open is None:
            self._next_piece()
        if self._open is not None:
            return self._from_file(view)
        got = min(len(view), len(self._literal))
        view[:got] = self._literal[:got]
        self._literal = self._literal[got:]
        return got

    def _next_piece(self) -> None:
        piece = next(self._pieces)
        if isinstance(piece, Span):
            entry = self._work.entries[piece.index]
            descriptor = self._volume.open(entry.archive_id, entry.size, entry.mtime_ns)
            self._open, self._reading = (descriptor, piece.start, piece.length), entry.archive_id
        else:
            self._literal = memoryview(piece)

    def _from_file(self, view: memoryview) -> int:
        assert self._open is not None
        descriptor, position, left = self._open
        try:
            got = os.preadv(descriptor, [view[: min(left, len(view))]], position)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise StagedFileGone(self._reading) from error  # pulled anew, it lies on other blocks
        if got == 0:
            raise StagedFileGone(self._reading)  # cut short
        self._open = (descriptor, position + got, left - got)
        if left == got:
            self._close_file()
        return got

    def _close_file(self) -> None:
        if self._open is not None:
            os.close(self._open[0])
            self._open = None
