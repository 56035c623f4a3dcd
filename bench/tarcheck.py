"""Checks a cart's tar against its manifest, byte for byte."""

from __future__ import annotations

import hashlib
import http.client
import tarfile
from collections.abc import Sequence
from typing import IO, cast

from bench.client import follow
from bench.files import HASH, File

CHUNK = 1 << 20
READ_ERRORS = (tarfile.TarError, http.client.HTTPException, OSError, ValueError)


def problem(url: str, files: Sequence[File]) -> str:
    """Download the tar at `url`; returns the first difference from the manifest, or an empty string."""
    try:
        with follow(url) as answer, tarfile.open(fileobj=cast(IO[bytes], answer), mode="r|") as tar:
            return _compare(tar, {file.path: file.digest for file in files})
    except READ_ERRORS as error:
        return f"cannot be read: {error}"


def _compare(tar: tarfile.TarFile, expected: dict[str, str]) -> str:
    left = dict(expected)
    for member in tar:
        if not member.isfile():
            continue
        # The cart's tar has a root directory named after the cart's uid; the peer's has none.
        name = member.name if member.name in expected else member.name.partition("/")[2]
        if name not in left:
            return f"contains {member.name}, which is not in the manifest or is a duplicate"
        if _digest(tar.extractfile(member)) != left.pop(name):
            return f"{name} has the wrong content"
    return f"lacks {len(left)} of {len(expected)} files" if left else ""


def _digest(content: IO[bytes] | None) -> str:
    hasher = hashlib.new(HASH, usedforsecurity=False)
    while content and (block := content.read(CHUNK)):
        hasher.update(block)
    return hasher.hexdigest()
