"""Reads request bodies, up to a limit. Every refusal is BodyTooLarge or BadRequest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from chalicelib.errors import BadRequest, BodyTooLarge
from chalicelib.manifest.gunzip import TooLarge, unpacked

UNPACKED = 4  # a gzipped body may unpack to this many times MAX_BODY
BLOCK = 1 << 16


def read(source: IO[bytes], content_length: str | None, limit: int) -> bytes:
    """The body, of at most `limit` bytes. `content_length`: the request's header."""
    try:
        if int(content_length or 0) > limit:
            _discard(source, 2 * limit)
            raise BodyTooLarge(limit)
        body: bytes = source.read(limit + 1)
    except BodyTooLarge:
        raise
    except Exception as error:  # each server has its own exceptions for such a body
        raise BadRequest("body: it is truncated or malformed") from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def decode(raw: bytes | str, headers: Mapping[str, str], limit: int) -> bytes:
    """The body, unpacked if it is gzipped. `limit`: bytes before unpacking."""
    body = raw.encode() if isinstance(raw, str) else raw
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return _unpack(body, limit) if headers.get("content-encoding", "").strip().lower() == "gzip" else body


def _unpack(body: bytes, limit: int) -> bytes:
    try:
        return b"".join(unpacked([body], UNPACKED * limit))
    except TooLarge as error:
        raise BodyTooLarge(UNPACKED * limit, f"unpacked, {UNPACKED} times MAX_BODY") from error
    except ValueError as error:
        raise BadRequest(f"body: {error}") from error


def _discard(source: IO[bytes], most: int) -> None:
    """Read up to `most` bytes of a refused body: a client that is still sending does not read the response."""
    while most > 0 and (block := source.read(min(most, BLOCK))):
        most -= len(block)
