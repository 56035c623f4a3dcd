"""The hashes of a file, computed block by block: those its manifest asks for, and the bundle store's checksum."""

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
        names = {name for name, _ in spec.hashes} | set(spec.also) or {UNVERIFIED}
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._checksum = 0

    def update(self, block: bytes | memoryview) -> None:
        for hasher in self._hashers.values():
            hasher.update(block)
        self._checksum = crc64nvme.update(block, self._checksum)

    def hashes(self) -> Hashes:
        computed = {name: hasher.hexdigest() for name, hasher in self._hashers.items()}
        return {**computed, crc64nvme.NAME: crc64nvme.to_hex(self._checksum)}


def matches(spec: FileSpec, hashes: Hashes) -> bool:
    """Whether all hashes are what the manifest says."""
    return all(hashes[name] == expected for name, expected in spec.hashes)


def mismatch(name: str, expected: str, hashes: Hashes) -> str:
    """How the file differs from what one entry of a manifest says; empty when it does not.

    `name` and `expected` are empty where the entry gives no hash.
    """
    found = hashes.get(name, expected)
    return "" if found == expected else f"its {name} is {found}, the manifest says {expected}"
