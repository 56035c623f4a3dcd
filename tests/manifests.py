"""Reads whole manifests for tests, by the product's reader."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.options import Options
from chalicelib.manifest.reader import Entry, ManifestReader

#: The same bytes each time, so that they can be a test's parameter.
packed = functools.partial(gzip.compress, compresslevel=1, mtime=0)
LIMIT = 1 << 28
MAX_ENTRIES = 1_000_000


class Manifest(NamedTuple):
    entries: list[Entry]
    options: Options
    digest: str
    former_digest: str
    warnings: list[str]


def read(
    body: bytes | Iterable[bytes], uid: str = "uid", posted: Options | None = None, max_entries: int = MAX_ENTRIES
) -> Manifest:
    """The manifest in `body`, whole or in blocks. Raises what the reader raises."""
    reader = ManifestReader(uid, max_entries, posted)
    entries = list(reader.entries([body] if isinstance(body, bytes) else body, LIMIT))
    assert reader.count == len(entries)
    options = Options(reader.root, reader.names, reader.sums)
    return Manifest(entries, options, reader.digest, reader.former_digest, reader.warnings)


def outcome(body: bytes | Iterable[bytes], posted: Options | None = None) -> Manifest | tuple[str, ...]:
    """The manifest, or its problems."""
    try:
        return read(body, posted=posted)
    except InvalidManifest as error:
        return error.problems


def first_problem(body: bytes) -> str:
    found = outcome(body)
    assert not isinstance(found, Manifest)
    return found[0]


def cut(body: bytes, size: int) -> Iterator[bytes]:
    """`body` in blocks of `size` bytes."""
    return (body[at : at + size] for at in range(0, len(body), size))
