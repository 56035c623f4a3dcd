"""Whether a cart's tar holds what its manifest named, byte for byte."""

from __future__ import annotations

import hashlib
import http.client
import tarfile
from collections.abc import Sequence
from typing import IO, cast

from bench.client import follow
from bench.files import HASH, File

CHUNK = 1 << 20
FAULTS = (tarfile.TarError, http.client.HTTPException, OSError, ValueError)


def wrong_with(url: str, files: Sequence[File]) -> str:
    """What is wrong with the tar there; empty when nothing is."""
    try:
        with follow(url) as answer, tarfile.open(fileobj=cast(IO[bytes], answer), mode="r|") as tar:
            return _compare(tar, {file.path: file.digest for file in files})
    except FAULTS as error:
        return f"cannot be read: {error}"


def _compare(tar: tarfile.TarFile, wanted: dict[str, str]) -> str:
    left = dict(wanted)
    for member in tar:
        if not member.isfile():
            continue
        # Ours has one root directory of the cart's name, the peer's has none.
        name = member.name if member.name in wanted else member.name.partition("/")[2]
        if name not in left:
            return f"holds {member.name}, which was not asked for or comes twice"
        if _digest(tar.extractfile(member)) != left.pop(name):
            return f"{name} has the wrong content"
    return f"lacks {len(left)} of {len(wanted)} files" if left else ""


def _digest(content: IO[bytes] | None) -> str:
    hasher = hashlib.new(HASH, usedforsecurity=False)
    while content and (block := content.read(CHUNK)):
        hasher.update(block)
    return hasher.hexdigest()
