"""What the row of a cart records of its manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UPLOAD_DIGEST = "upload-"  # how the digest of an uploaded manifest starts; that of a posted one is hexadecimal
MOST_WARNINGS = 60_000  # bytes of a cart's warnings; MySQL's TEXT holds 65,535


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """`root` is empty for an uploaded manifest whose POST names none, until a worker has read it."""

    root: str
    digest: str
    files: int
    names: str = ""
    sums: str = ""
    warnings: Sequence[str] = ()
    uploaded: bool = False

    def columns(self) -> dict[str, Any]:
        """The columns of carts, without the digest: that of an upload is not the digest of its content."""
        return {
            "root": self.root,
            "names": self.names,
            "sums": self.sums,
            "files_total": self.files,
            "warnings": _written(self.warnings),
            "uploaded": self.uploaded,
        }


def is_of_upload(digest: str) -> bool:
    """Whether this is the digest of an uploaded manifest. The previous release may leave `uploaded` at 0."""
    return digest.startswith(UPLOAD_DIGEST)


def warnings_of(column: str | None) -> list[str]:
    """What the client of a cart should know about its manifest."""
    return json.loads(column) if column else []


def _written(warnings: Sequence[str]) -> str | None:
    """As many of the warnings as fit, as JSON."""
    kept = list(warnings)
    while len(written := json.dumps(kept)) > MOST_WARNINGS:
        kept.pop()
    return written if kept else None
