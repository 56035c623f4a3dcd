"""What a manifest may cost."""

from __future__ import annotations

from dataclasses import dataclass

UNPACKED = 4  # a gzipped body may unpack to this many times MAX_BODY


@dataclass(frozen=True, slots=True)
class ManifestLimits:
    """`body`: MAX_BODY, bytes as received. `upload`: MAX_MANIFEST, bytes unpacked. `entries`: MAX_ENTRIES."""

    body: int
    upload: int
    entries: int

    @property
    def unpacked_body(self) -> int:
        return UNPACKED * self.body
