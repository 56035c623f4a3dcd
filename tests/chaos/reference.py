"""The expected bundle of a manifest, made by Python's tarfile from the archive's files, without the product's code."""

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
    file = find(None, archive_id)
    assert file is not None, archive_id
    return b"".join(file.chunks(0, file.size))


def sha1(archive_id: str) -> str:
    return hashlib.sha1(content(archive_id), usedforsecurity=False).hexdigest()


def bundle(root: str, files: Sequence[File], sums: str = "") -> bytes:
    """The whole tar. A directory precedes the first member that needs it and has that member's mtime.

    With `sums`, the name of a hash, the last member lists those of all files.
    """
    out, folders = io.BytesIO(), set[str]()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for file in files:
            source = find(None, file.archive_id)
            assert source is not None, file.archive_id
            names = [root, *file.path.split("/")]
            for depth in range(1, len(names)):
                folder = "/".join(names[:depth])
                if folder not in folders:
                    folders.add(folder)
                    tar.addfile(_info(folder, source.mtime, tarfile.DIRTYPE, 0o755))
            info = _info("/".join(names), source.mtime, tarfile.REGTYPE, 0o644)
            info.size = source.size
            tar.addfile(info, io.BytesIO(content(file.archive_id)))
        if sums:
            _add_sums(tar, root, files, sums)
    return out.getvalue()


def _add_sums(tar: tarfile.TarFile, root: str, files: Sequence[File], sums: str) -> None:
    lines = [f"{hashlib.new(sums, content(file.archive_id)).hexdigest()}  {file.path}\n" for file in files]
    text = "".join(lines).encode()
    info = _info(f"{root}/{sums.upper()}SUMS", 0, tarfile.REGTYPE, 0o644)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))


def _info(name: str, mtime: float, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, int(mtime)
    if mtime != int(mtime):
        info.pax_headers = {"mtime": f"{Decimal(mtime).normalize():f}"}
    return info
