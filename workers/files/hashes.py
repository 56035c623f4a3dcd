"""The hashes of a file, computed block by block: those its manifest names, and the bundle store's checksum."""

from __future__ import annotations

import hashlib

from workers.files import crc64nvme
from workers.files.file_spec import FileSpec

#: Used when the manifest gives no hash.
UNVERIFIED = "sha256"

#: Hash name -> hex.
Hashes = dict[str, str]


class Hashing:
    """Computes all hashes of one file in one pass."""

    def __init__(self, spec: FileSpec) -> None:
        names = {name for name, _ in spec.hashes} or {UNVERIFIED}
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._checksum = 0

    def update(self, block: bytes | memoryview) -> None:
        for hasher in self._hashers.values():
            hasher.update(block)
        self._checksum = crc64nvme.update(block, self._checksum)

    def hashes(self) -> Hashes:
        computed = {name: hasher.hexdigest() for name, hasher in self._hashers.items()}
        return {**computed, crc64nvme.NAME: crc64nvme.to_hex(self._checksum)}


def mismatch(spec: FileSpec, hashes: Hashes) -> str:
    """Describe the first hash that is not what the manifest says; empty when all match."""
    for name, expected in spec.hashes:
        if hashes[name] != expected:
            return f"its {name} is {hashes[name]}, the manifest says {expected}"
    return ""
