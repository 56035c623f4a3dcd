"""A part of a bundle as a file to upload: headers from the layout, data from the volume, without a copy."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

from chalicelib.errors import StoreUnavailable
from workers.files.volume import StagedFileGone, Volume
from workers.staging.window_work import WindowWork
from workers.tar.layout import Run, Span

BUFFER = 1 << 20  # bytes


class _OpenSpan(NamedTuple):
    """The staged file being read: where to read next, and how many bytes of the span are left."""

    archive_id: str
    descriptor: int
    position: int
    left: int


class PartFile(io.RawIOBase):
    """A range of a run as a seekable file. One staged file is open at a time."""

    def __init__(
        self,
        run: Run,
        work: WindowWork,
        volume: Volume,
        start: int,
        stop: int,
        reached: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`reached` is called with the bytes read so far."""
        self._reached = reached
        self._run = run
        self._work = work
        self._volume = volume
        self._start = start
        self._stop = stop
        self._at = start
        self._pieces: Iterator[bytes | Span] = iter(())
        self._literal = memoryview(b"")
        self._open: _OpenSpan | None = None
        self._seeked = True
        self._gone: StagedFileGone | None = None
        self._buffer = memoryview(b"")

    @contextmanager
    def reporting_missing_files(self) -> Iterator[None]:
        """Raise StagedFileGone where the store's client wrapped it in an error of its own."""
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
        self._seeked = True
        return self.tell()

    def __len__(self) -> int:
        return self._stop - self._start

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, valid until the next call: up to 1 MiB whatever `size` is, all if it is negative.

        An HTTP client asks for 16 KB at a time, but sends what it gets: larger blocks halve its CPU time.
        """
        if size < 0:
            return b"".join(bytes(block) for block in iter(lambda: self.read(BUFFER), b""))
        if not self._buffer:
            self._buffer = memoryview(bytearray(min(BUFFER, len(self))))
        return cast(bytes, self._buffer[: self.readinto(self._buffer)])

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as the part reaches. Raises StagedFileGone."""
        if self._seeked:
            self._restart()
        view, filled = memoryview(buffer).cast("B"), 0
        try:
            while filled < len(view) and self._at < self._stop:
                got = self._read_some(view[filled:])
                filled += got
                self._at += got
        except StagedFileGone as error:
            self._gone = error
            raise
        self._reached(self.tell())
        return filled

    def close(self) -> None:
        self._close_file()
        super().close()

    def _restart(self) -> None:
        self._close_file()
        self._pieces = self._run.pieces(self._at, self._stop)
        self._literal = memoryview(b"")
        self._seeked = False

    def _read_some(self, view: memoryview) -> int:
        if not self._literal and self._open is None:
            self._next_piece()
        if self._open is not None:
            return self._read_file(view)
        got = min(len(view), len(self._literal))
        view[:got] = self._literal[:got]
        self._literal = self._literal[got:]
        return got

    def _next_piece(self) -> None:
        piece = next(self._pieces)
        if isinstance(piece, Span):
            entry = self._work.entries[piece.index]
            descriptor = self._volume.open(entry.archive_id, entry.size, entry.mtime_ns)
            self._open = _OpenSpan(entry.archive_id, descriptor, piece.start, piece.length)
        else:
            self._literal = memoryview(piece)

    def _read_file(self, view: memoryview) -> int:
        assert self._open is not None
        archive_id, descriptor, position, left = self._open
        try:
            got = os.preadv(descriptor, [view[: min(left, len(view))]], position)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise StagedFileGone(archive_id) from error  # pulling it again writes other blocks of the disk
        if got == 0:
            raise StagedFileGone(archive_id)  # the file was truncated
        self._open = _OpenSpan(archive_id, descriptor, position + got, left - got)
        if left == got:
            self._close_file()
        return got

    def _close_file(self) -> None:
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None
