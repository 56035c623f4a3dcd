"""The lines of a checksum file, as `sha256sum -c` reads them. Pure."""

from __future__ import annotations

import hashlib
from functools import lru_cache


def line(hex_sum: str, path: str) -> bytes:
    """`path` is relative to the directory that the checksum file is in."""
    return f"{hex_sum}  {path}\n".encode()


def line_length(hash_name: str, path: str) -> int:
    """Bytes of a line, whose checksum need not be known yet."""
    return digits(hash_name) + 3 + len(path.encode())


@lru_cache
def digits(hash_name: str) -> int:
    """Hexadecimal digits of one checksum."""
    return 2 * hashlib.new(hash_name, usedforsecurity=False).digest_size
