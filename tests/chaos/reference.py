"""What a bundle has to be, computed from its manifest and the archive's files alone, by Python's tarfile."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from infra.local.archive_simulator_files import find


class File(NamedTuple):
    archive_id: str
    path: str


def content(archive_id: str) -> bytes:
    held = find(None, archive_id)
    assert held is not None, archive_id
    return b"".join(held.chunks(0, held.size))


def sha1(archive_id: str) -> str:
    return hashlib.sha1(content(archive_id), usedforsecurity=False).hexdigest()


def bundle(root: str, files: Sequence[File]) -> bytes:
    """The whole tar: directories before the first member that needs them, with that member's time."""
    out, made = io.BytesIO(), set[str]()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for file in files:
            held = find(None, file.archive_id)
            assert held is not None
            names = [root, *file.path.split("/")]
            for depth in range(1, len(names)):
                folder = "/".join(names[:depth])
                if folder not in made:
                    made.add(folder)
                    tar.addfile(_info(folder, held.mtime, tarfile.DIRTYPE, 0o755))
            info = _info("/".join(names), held.mtime, tarfile.REGTYPE, 0o644)
            info.size = held.size
            tar.addfile(info, io.BytesIO(content(file.archive_id)))
    return out.getvalue()


def _info(name: str, mtime: float, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, int(mtime)
    if mtime != int(mtime):
        info.pax_headers = {"mtime": f"{Decimal(mtime).normalize():f}"}
    return info
