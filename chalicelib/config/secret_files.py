"""Secrets that are given as files: NAME_FILE names the file that holds the value of NAME, as Docker's and Kubernetes'
secrets do. No error shows the content, nor the path: it may be the secret itself, by mistake."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

LARGEST = 64 << 10  # bytes; a longer file is another file


def read_secret_files(environ: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """A copy of `environ` with each NAME of `names` filled in from NAME_FILE; and what is wrong with these files."""
    resolved, problems = dict(environ), []
    for name in names:
        path = environ.get(f"{name}_FILE", "")
        if not path:
            continue
        if environ.get(name):
            problems.append(f"{name}_FILE: must not be set together with {name}")
            continue
        try:
            resolved[name] = _secret(path)
        except ValueError as error:
            problems.append(f"{name}_FILE: {error}")
    return resolved, problems


def _secret(path: str) -> str:
    """The file's only line. Raises ValueError."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {os.strerror(error.errno or 0)}") from None
    except ValueError:  # a null byte
        raise ValueError("cannot be read: it is not a path") from None
    try:
        line = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("must be a file of UTF-8 text") from None
    if len(content) > LARGEST or any(character in line for character in "\0\r\n"):
        raise ValueError("must be a file of one line")
    if not line:
        raise ValueError("must not be an empty file")
    return line
