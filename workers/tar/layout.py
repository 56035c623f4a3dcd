"""Where every byte of a tar lies, known before any file is read. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from workers.tar.headers import BLOCK, Member, headers, member_length

LARGEST_LITERAL = 64 << 10  # bytes of headers and padding that are yielded at once
_ZEROS = bytes(LARGEST_LITERAL)


class Span(NamedTuple):
    """Bytes of the data of member `index` of the run."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    start: int
    length: int


class Run:
    """Consecutive members of a tar, followed by `tail` zero bytes.

    `offsets[i]` is where member `i` begins; the last offset is where the members end.
    """

    def __init__(self, members: Sequence[Member], *, tail: int = 0) -> None:
        self._members = members
        self._tail = tail
        self.offsets = array("Q", accumulate(map(member_length, members), initial=0))
        self.length = self.offsets[-1] + tail

    def pieces(self, start: int, stop: int) -> Iterator[bytes | Span]:
        """Yield the content of the bytes `start` to `stop` (exclusive): literal bytes and spans of members' data."""
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"no bytes {start} to {stop} in a run of {self.length}")
        first = bisect_right(self.offsets, start) - 1
        return merged(clipped(self._whole(first), start - self.offsets[first], stop - start))

    def _whole(self, first: int) -> Iterator[bytes | Span]:
        for index in range(first, len(self._members)):
            member = self._members[index]
            yield from headers(member)
            if member.size:
                yield Span(index, 0, member.size)
                yield _ZEROS[: -member.size % BLOCK]
        for done in range(0, self._tail, LARGEST_LITERAL):
            yield _ZEROS[: self._tail - done]


def clipped(pieces: Iterator[bytes | Span], skip: int, want: int) -> Iterator[bytes | Span]:
    """The `want` bytes that follow the first `skip` bytes."""
    for piece in pieces:
        if want <= 0:
            return
        length = piece.length if isinstance(piece, Span) else len(piece)
        if skip >= length:
            skip -= length
            continue
        taken = min(length - skip, want)
        yield piece if taken == length else _section(piece, skip, taken)
        skip = 0
        want -= taken


def _section(piece: bytes | Span, skip: int, taken: int) -> bytes | Span:
    if isinstance(piece, Span):
        return Span(piece.index, piece.start + skip, taken)
    return piece[skip : skip + taken]


def merged(pieces: Iterator[bytes | Span]) -> Iterator[bytes | Span]:
    """Join adjacent literals, up to LARGEST_LITERAL bytes."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        if held and (isinstance(piece, Span) or size + len(piece) > LARGEST_LITERAL):
            yield b"".join(held)
            held, size = [], 0
        if isinstance(piece, Span):
            yield piece
        else:
            held.append(piece)
            size += len(piece)
    if held:
        yield b"".join(held)
