"""The hashes of a file, computed block by block: those its manifest names, and the store's crc64nvme."""

from __future__ import annotations

import hashlib

from workers.files import crc64nvme
from workers.staging.file_actions import FileSpec

UNVERIFIED = "sha256"  # what is computed where the manifest names no hash

Hashes = dict[str, str]


class Hashing:
    def __init__(self, want: FileSpec) -> None:
        names = {name for name, _ in want.hashes} or {UNVERIFIED}
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._checksum = 0

    def update(self, block: bytes | memoryview) -> None:
        for hasher in self._hashers.values():
            hasher.update(block)
        self._checksum = crc64nvme.update(block, self._checksum)

    def hashes(self) -> Hashes:
        """In hex, by name."""
        known = {name: hasher.hexdigest() for name, hasher in self._hashers.items()}
        return {**known, crc64nvme.NAME: crc64nvme.to_hex(self._checksum)}


def mismatch(want: FileSpec, hashes: Hashes) -> str:
    """What is wrong with the hashes, or nothing."""
    for name, wanted in want.hashes:
        if hashes[name] != wanted:
            return f"its {name} is {hashes[name]}, the manifest says {wanted}"
    return ""
