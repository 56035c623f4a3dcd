"""Where every byte of a bundle lies, known before the first byte moves. Pure.

A bundle is cut into *windows*, runs of whole members, and a window into *parts*. Invariant: the parts of all windows in
order are the tar; all but the last are 5 MiB to 5 GiB long; there are at most 10,000 (what S3 asks of an upload).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from chalicelib.errors import PermanentError
from workers.tar.headers import BLOCK, RECORD, Member, each_header, end_length, headers, member_length

__all__ = [
    "Member",
    "Plan",
    "Run",
    "Span",
    "cut",
    "end_length",
    "headers",
    "member_length",
    "plan",
    "split",
]

MAX_PARTS = 10_000
MIN_PART = 5 << 20
MAX_PART = 5 << 30
MAX_BUNDLE = 50 * 10**12
LITERAL = 64 << 10  # bytes of the tar's own, as opposed to members' data, that are handed out at once
_ZEROS = bytes(LITERAL)


class Span(NamedTuple):
    """Bytes of the data of member `index` of the run."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    start: int
    length: int


class Run:
    """Consecutive members of a bundle, `tail` zero bytes after them, and the bytes of any range of that.

    `offsets[i]` is where member `i` begins; one more, the last, is where the members end.
    """

    def __init__(self, members: Sequence[Member], *, tail: int = 0) -> None:
        self._members = members
        self._tail = tail
        self.offsets = array("Q", accumulate(map(member_length, members), initial=0))
        self.length = self.offsets[-1] + tail

    def pieces(self, start: int, stop: int) -> Iterator[bytes | Span]:
        """What the bytes `start` to `stop` (exclusive) are made of, in order and made as they are asked for."""
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"no bytes {start} to {stop} in a run of {self.length}")
        first = bisect_right(self.offsets, start) - 1
        return _merged(_clipped(self._whole(first), start - self.offsets[first], stop - start))

    def _whole(self, first: int) -> Iterator[bytes | Span]:
        for index in range(first, len(self._members)):
            member = self._members[index]
            yield from each_header(member)
            if member.size:
                yield Span(index, 0, member.size)
                yield _ZEROS[: -member.size % BLOCK]
        for done in range(0, self._tail, LITERAL):
            yield _ZEROS[: self._tail - done]


def _clipped(pieces: Iterator[bytes | Span], skip: int, want: int) -> Iterator[bytes | Span]:
    """The `want` bytes that follow the first `skip` ones."""
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


def _merged(pieces: Iterator[bytes | Span]) -> Iterator[bytes | Span]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        if held and (isinstance(piece, Span) or size + len(piece) > LITERAL):
            yield b"".join(held)
            held, size = [], 0
        if isinstance(piece, Span):
            yield piece
        else:
            held.append(piece)
            size += len(piece)
    if held:
        yield b"".join(held)


class Plan(NamedTuple):
    part_size: int
    window_size: int
    window_files: int


def plan(total: int, entries: int, *, part_size: int, window_size: int, window_files: int) -> Plan:
    """The given sizes, grown as far as a bundle of `total` bytes and `entries` members needs to fit 10,000 parts.

    Each window ends in a part that may be short, so there are at most total / part_size parts and one per window. A
    window closed by its bytes is, with the next one, longer than window_size: at most 2 * total / window_size of these.
    Windows get at most half of the parts, and fewer where even parts of 5 GiB would leave them less.
    """
    if total > MAX_BUNDLE:
        raise PermanentError(f"The bundle would have {total} bytes, more than the {MAX_BUNDLE} the store can hold.")
    whole = total + 2 * RECORD  # the end, which goes to the last window
    windows = min(MAX_PARTS // 2, MAX_PARTS - _ceil(whole, MAX_PART)) - 1
    window_files = max(window_files, _ceil(entries, windows // 5))
    by_files = entries // window_files
    window_size = max(window_size, _ceil(2 * whole, windows - by_files))
    by_size = 2 * whole // window_size
    part_size = max(part_size, MIN_PART, _ceil(whole, MAX_PARTS - by_files - by_size - 1))
    return Plan(part_size, window_size, window_files)


def cut(lengths: Iterable[int], plan: Plan) -> Iterator[tuple[int, int]]:
    """The windows of a bundle whose members have these `lengths`: how many members and bytes each has.

    A window closes before the member it has no room for, unless it is too short to be a part: then it takes it.
    """
    files = size = 0
    for length in lengths:
        full = size + length > plan.window_size or files >= plan.window_files
        if full and size >= MIN_PART:
            yield files, size
            files = size = 0
        files += 1
        size += length
    if files:
        yield files, size


def split(length: int, part_size: int) -> list[int]:
    """Even parts of a window, each of at least 5 MiB if the window is.

    They are at most `part_size` long, or, where that is under 10 MiB, less than twice as long.
    """
    count = max(1, min(_ceil(length, part_size), length // MIN_PART))
    short, longer = divmod(length, count)
    return [short + 1] * longer + [short] * (count - longer)


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
