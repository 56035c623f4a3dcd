"""How a bundle is cut into windows and parts, within S3's limits on a multipart upload. Pure.

A *window* is a run of whole members, a *part* a byte range of a window. Invariant: the parts of all windows, in order,
are the tar; all but the last are 5 MiB to 5 GiB long; there are at most 10,000 of them.
Source: Amazon S3 user guide, "Multipart upload limits".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chalicelib.errors import PermanentError
from chalicelib.readable_size import readable_size
from workers.tar.headers import RECORD

MAX_PARTS = 10_000
MIN_PART = 5 << 20  # bytes
MAX_PART = 5 << 30  # bytes
STORE_LIMIT = 50 * 10**12  # bytes of one object


def check_bundle_size(size: int, most: int) -> None:
    """Raise PermanentError for a bundle of more than `most` bytes, MAX_BUNDLE, or more than the store can hold."""
    if size > min(most, STORE_LIMIT):
        limit = f"MAX_BUNDLE allows {_exact(most)}" if most < STORE_LIMIT else f"the store holds {_exact(STORE_LIMIT)}"
        raise PermanentError(f"The bundle would have {_exact(size)}; {limit}. Post the files in several carts.")


class PartSizes(NamedTuple):
    """The sizes a bundle is cut by: bytes of a part, bytes and files of a window."""

    part_size: int
    window_size: int
    window_files: int


def fit_part_limit(total: int, entries: int, sizes: PartSizes) -> PartSizes:
    """Enlarge `sizes` so that a bundle of `total` bytes and `entries` members fits 10,000 parts.

    Each window ends in a part that may be short, so there are at most total / part_size parts plus one per window. A
    window closed by its bytes is, together with the next, longer than window_size: at most 2 * total / window_size of
    these. Windows get at most half of the parts, and fewer where even parts of 5 GiB would leave them less. At most a
    fifth of the windows may close by their number of files; the rest is for those closed by their bytes. Two more are
    the last window of files, and one that is generated.
    """
    part_size, window_size, window_files = sizes
    whole = total + 2 * RECORD  # with the end of the tar, which belongs to the last window
    windows = min(MAX_PARTS // 2, MAX_PARTS - _ceil(whole, MAX_PART)) - 2
    window_files = max(window_files, _ceil(entries, windows // 5))
    by_files = entries // window_files
    window_size = max(window_size, _ceil(2 * whole, windows - by_files))
    by_size = 2 * whole // window_size
    part_size = max(part_size, MIN_PART, _ceil(whole, MAX_PARTS - by_files - by_size - 2))
    return PartSizes(part_size, window_size, window_files)


def cut_bundle(lengths: Iterable[int], generated: int, tail: int, sizes: PartSizes) -> list[tuple[int, int]]:
    """The windows of a bundle, each as (files, bytes).

    `lengths`: bytes of each file's member. `generated`: bytes of a member that is made from all others, 0 for none; it
    is a window of its own, without files, unless all files are in one window, which then has it too. `tail`: bytes
    after the last member.
    """
    windows = list(cut_windows(lengths, sizes))
    if generated and len(windows) > 1 and windows[-1][1] < MIN_PART:
        windows[-2:] = [_joined(windows[-2], windows[-1])]  # its part would not be the upload's last one
    if generated and len(windows) > 1:
        windows.append((0, 0))
    windows[-1] = _joined(windows[-1], (0, generated + tail))
    return windows


def cut_windows(lengths: Iterable[int], sizes: PartSizes) -> Iterator[tuple[int, int]]:
    """Yield the windows of a bundle whose members have these `lengths` in bytes, each as (members, bytes).

    A window closes before the member it has no room for, unless it is still too short to be a part.
    """
    files = size = 0
    for length in lengths:
        full = size + length > sizes.window_size or files >= sizes.window_files
        if full and size >= MIN_PART:
            yield files, size
            files = size = 0
        files += 1
        size += length
    if files:
        yield files, size


def split_window(length: int, part_size: int) -> list[int]:
    """The lengths of a window's parts: even, and each at least 5 MiB if the window is.

    Parts are at most `part_size` long, or, where that is under 10 MiB, less than twice as long.
    """
    count = max(1, min(_ceil(length, part_size), length // MIN_PART))
    short, longer = divmod(length, count)
    return [short + 1] * longer + [short] * (count - longer)


def _joined(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _exact(size: int) -> str:
    readable = readable_size(size)
    return readable if readable.endswith("bytes") else f"{readable} ({size} bytes)"


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
