"""Which files of a window its cart has counted as staged: text in a window's row, one bit for each file. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def counted_map(places: Iterable[int], files: int) -> str:
    """The text for these places, from 0 on, among a window's `files` files."""
    bits = bytearray(-(-files // 8))
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return bits.hex()


class CountedFiles:
    """The files of a window, which begins at position `first` of its cart, that are counted."""

    def __init__(self, first: int, files: int, counted: int, text: str | None) -> None:
        """`counted`: how many are; where that is all of them, `text` is void. The previous release writes no text."""
        self.first = first
        self.files = files
        self._all = counted >= files
        self._bits = b"" if self._all or not text else bytes.fromhex(text)

    def __contains__(self, position: int) -> bool:
        place = position - self.first
        if not 0 <= place < self.files:
            return False
        return self._all or (place >> 3 < len(self._bits) and bool(self._bits[place >> 3] >> (place & 7) & 1))
