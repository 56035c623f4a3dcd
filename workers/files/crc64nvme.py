"""CRC64NVME: the checksum S3 keeps of a whole object, also of one made of parts.

It can be combined: of two runs of bytes whose checksums and lengths are known, that of both together follows without
reading either. So a file's checksum is taken once, while it is pulled and its hash verified, and what is sent to the
store is declared by that: bytes that changed on the volume since are refused by the store, not bundled.
Source: Amazon S3 user guide, "Checking object integrity".
"""

from __future__ import annotations

import base64

from awscrt import checksums

NAME = "crc64nvme"  # among the hashes of a staged file


def update(block: bytes | memoryview, before: int = 0) -> int:
    value: int = checksums.crc64nvme(block, before)
    return value


def combine(first: int, second: int, second_length: int) -> int:
    value: int = checksums.combine_crc64nvme(first, second, second_length)
    return value


def to_hex(value: int) -> str:
    return f"{value:016x}"


def from_hex(text: str) -> int:
    return int(text, 16)


def to_header(value: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(value.to_bytes(8, "big")).decode()
