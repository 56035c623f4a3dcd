"""What the archive says of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from chalicelib.errors import ArchiveUnavailable

Media = Literal["disk", "tape"]

TOO_BIG = 1 << 63
LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class FileStatus:
    """`size` in bytes."""

    size: int
    mtime_ns: int
    media: Media


def size_in(headers: Mapping[str, str]) -> int:
    size = headers.get("x-content-length", "")
    if not (size.isascii() and size.isdigit() and len(size) < LONGEST_NUMBER and int(size) < TOO_BIG):
        raise ArchiveUnavailable("archive sent no valid X-Content-Length")
    return int(size)


def media_in(headers: Mapping[str, str]) -> Media:
    """Disk where the archive does not say: then its GET brings the bytes, or says why not."""
    media = headers.get("x-pacifica-file-storage-media", "").lower()
    if media == "error":
        raise ArchiveUnavailable("archive does not know where this file is")
    return "tape" if media == "tape" else "disk"
