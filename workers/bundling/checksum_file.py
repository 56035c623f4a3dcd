"""The checksum file that closes a bundle. It is generated while it is read, so it is never held as a whole."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from chalicelib.errors import LayoutChanged
from workers.stores.windows import SumsPage
from workers.tar.headers import Member
from workers.tar.layout import Run, Span, clipped, merged


class ChecksumFile:
    """The content of the file, read by ranges. It consists of pages: the lines of one window's files each."""

    def __init__(self, pages: Sequence[SumsPage], lines: Callable[[SumsPage], Iterator[bytes]]) -> None:
        """`lines` yields the lines of a page, in order."""
        self._pages = pages
        self._lines = lines
        self._starts = array("Q", accumulate((page.length for page in pages), initial=0))
        self.length = self._starts[-1]

    def read(self, start: int, length: int) -> Iterator[bytes | Span]:
        """Yield `length` bytes from `start` on. Raises LayoutChanged if the pages have fewer."""
        first = bisect_right(self._starts, start) - 1
        for piece in clipped(self._from(first), start - self._starts[first], length):
            yield piece
            length -= len(piece)
        if length > 0:
            raise LayoutChanged("its checksum file has another length")

    def _from(self, first: int) -> Iterator[bytes | Span]:
        for page in self._pages[first:]:
            yield from self._lines(page)


class SummedRun(Run):
    """A run whose last member is a checksum file."""

    def __init__(self, members: Sequence[Member], content: ChecksumFile, *, tail: int = 0) -> None:
        super().__init__(members, tail=tail)
        self._content = content

    def pieces(self, start: int, stop: int) -> Iterator[bytes | Span]:
        """As Run.pieces, with the checksum file's data as literal bytes."""
        return merged(self._expanded(super().pieces(start, stop)))

    def _expanded(self, pieces: Iterator[bytes | Span]) -> Iterator[bytes | Span]:
        generated = len(self._members) - 1
        for piece in pieces:
            if isinstance(piece, Span) and piece.index == generated:
                yield from self._content.read(piece.start, piece.length)
            else:
                yield piece
