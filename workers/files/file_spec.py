"""What a cart requires of one archive file."""

from __future__ import annotations

from typing import NamedTuple


class FileSpec(NamedTuple):
    """A file as recorded in the layout: `size` in bytes, and the hashes its entries name as pairs (name, hex).

    `also`: names of hashes to compute besides.
    """

    archive_id: str
    size: int
    mtime_ns: int
    hashes: tuple[tuple[str, str], ...]
    also: tuple[str, ...] = ()
