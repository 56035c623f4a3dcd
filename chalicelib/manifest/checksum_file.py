"""The checksum file that a bundle ends with if its manifest asks for `sums`. Its name is reserved. Pure."""

from __future__ import annotations

from chalicelib.manifest.path_tree import folded

#: Option `sums` -> the name of the file, below the root, as the tool that checks it expects.
CHECKSUM_FILES = {"sha256": "SHA256SUMS"}

_NAMES = {folded(name): sums for sums, name in CHECKSUM_FILES.items()}
_FIRSTS = {name[0] for name in _NAMES}


def sums_path(sums: str) -> str:
    """The file's path below the root."""
    return CHECKSUM_FILES[sums]


def reserved_for(path: str) -> str:
    """The option `sums` whose file's name this path takes, also by case or as a folder; "" if none."""
    if path[0].casefold() not in _FIRSTS:
        return ""
    return _NAMES.get(folded(path.partition("/")[0]), "")
