"""Decompresses gzip from clients, up to a limit. Pure.

Blocks are cut to one size before and after, so nothing that reads them depends on how they arrived.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

GZIP = 16 + zlib.MAX_WBITS
MAGIC = b"\x1f\x8b"
BLOCK = 1 << 16
STEP = 1 << 18  # maximum output per call, in bytes
# Each call copies what follows the end of a member, so many tiny members in a large piece take quadratic time.
PIECE = 1 << 12
MAX_MEMBERS = 100_000  # each costs a new decompressor; block gzip of 2 GiB has 33,000


class TooLarge(Exception):
    """The decompressed content is over the limit."""


class BadGzip(ValueError):
    """The gzip is not valid; the message says why."""


def unpacked(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The content of `blocks`, gzipped or not, in blocks of BLOCK bytes; the last may be shorter.

    Raises TooLarge after `limit` bytes, BadGzip if it is gzip that is invalid, truncated or followed by something else.
    """
    total = 0
    for block in evenly(_plain(evenly(blocks, BLOCK)), BLOCK):
        total += len(block)
        if total > limit:
            raise TooLarge
        yield block


def evenly(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, in blocks of `size`; the last may be shorter."""
    held = bytearray()
    for block in blocks:
        view = memoryview(block)
        at = 0
        if held:
            at = min(size - len(held), len(view))
            held += view[:at]
            if len(held) < size:
                continue
            yield bytes(held)
            held.clear()
        while len(view) - at >= size:
            yield bytes(view[at : at + size])
            at += size
        held += view[at:]
    if held:
        yield bytes(held)


def _plain(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    if first.startswith(MAGIC):
        yield from _gunzipped(_led_by(first, blocks))
    else:
        yield from _led_by(first, blocks)


def _led_by(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _gunzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(GZIP)
    members = 1
    for piece in evenly(blocks, PIECE):
        packed, full = piece, False
        while packed or full:
            if unpacker.eof:  # gzip files may be concatenated
                members += 1
                unpacker = _next_member(packed, members)
            try:
                block = unpacker.decompress(packed, STEP)
            except zlib.error as error:
                raise BadGzip("is not valid gzip") from error
            yield block
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            full = len(block) == STEP and not unpacker.eof  # it may have more output than STEP allowed
    if not unpacker.eof:
        raise BadGzip("is truncated gzip")


def _next_member(packed: bytes, members: int) -> zlib._Decompress:
    if packed[0] != MAGIC[0]:
        raise BadGzip("has something after the end of its gzip data")
    if members > MAX_MEMBERS:
        raise BadGzip(f"is gzip of more than {MAX_MEMBERS} pieces")
    return zlib.decompressobj(GZIP)
