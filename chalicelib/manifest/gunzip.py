"""Decompresses gzip from clients, up to a limit. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

GZIP = 16 + zlib.MAX_WBITS
MAGIC = b"\x1f\x8b"
STEP = 1 << 18  # maximum output per call, in bytes


class TooLarge(Exception):
    """The decompressed content is over the limit."""


def unpacked(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The content of `blocks`, gzipped or not, as blocks of bounded size.

    Raises TooLarge after `limit` bytes, ValueError if the gzip is invalid or truncated.
    """
    total = 0
    for block in _plain(iter(blocks)):
        total += len(block)
        if total > limit:
            raise TooLarge
        yield block


def _plain(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    while len(first) < len(MAGIC) and (more := next(blocks, b"")):
        first += more
    if not first.startswith(MAGIC):
        yield first
        yield from blocks
        return
    yield from _gunzipped(first, blocks)


def _gunzipped(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(GZIP)
    packed = first
    while True:
        try:
            block = unpacker.decompress(packed, STEP)
        except zlib.error as error:
            raise ValueError("is not valid gzip") from error
        yield block
        packed = unpacker.unconsumed_tail
        if len(block) == STEP and not unpacker.eof:
            continue  # it may have more output than STEP allowed
        if unpacker.eof:
            packed = unpacker.unused_data or next(blocks, b"")
            if not packed:
                return
            unpacker = zlib.decompressobj(GZIP)  # gzip files may be concatenated
        elif not packed:
            packed = next(blocks, b"")
            if not packed:
                raise ValueError("is truncated gzip")
