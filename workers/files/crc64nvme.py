"""CRC64NVME: the checksum S3 keeps of a whole object, also of one uploaded in parts.

The checksum of two adjacent runs of bytes follows from the checksums and lengths of both, without reading either. So a
file's checksum is computed once, while the file is pulled and its hash verified, and every part is declared with a
checksum derived from it: the store rejects bytes that changed on the volume since.
Source: Amazon S3 user guide, "Checking object integrity".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from awscrt import checksums

NAME = "crc64nvme"  # key among the hashes of a staged file


def update(block: bytes | memoryview, before: int = 0) -> int:
    """Return the checksum of bytes whose checksum is `before`, followed by `block`."""
    value: int = checksums.crc64nvme(block, before)
    return value


def combine(first: int, second: int, second_length: int) -> int:
    """Return the checksum of two runs of bytes, the second `second_length` bytes long."""
    value: int = checksums.combine_crc64nvme(first, second, second_length)
    return value


def concatenate(runs: Iterable[tuple[int, int]]) -> int:
    """Return the checksum of consecutive runs of bytes, each given as (checksum, length)."""
    whole = 0
    for value, length in runs:
        whole = combine(whole, value, length)
    return whole


def to_hex(value: int) -> str:
    return f"{value:016x}"


def from_hex(text: str) -> int:
    return int(text, 16)


def to_header(value: int) -> str:
    """Encode in base64, as S3's headers carry it."""
    return base64.b64encode(value.to_bytes(8, "big")).decode()
