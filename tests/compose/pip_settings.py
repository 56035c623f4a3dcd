"""Mounts the host's pip settings and certificates into image builds, so that none of them end up in an image.

pip merges its configuration files and PIP_* variables. The result is written to one pip.conf, which the build sees as
/etc/pip.conf. Local paths in it are mounted at the same path.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")


def mounts(home: Path) -> list[str]:
    """The mount options for `podman build`. Writes the pip.conf to `home`."""
    settings = _merged()
    lines = [f"{name} = {_indented(value)}" for name, value in sorted(settings.items())]
    (home / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    options = ["-v", f"{home}/pip.conf:/etc/pip.conf:ro"]
    paths = {_path(word) for value in settings.values() for word in value.split()}
    for path in sorted({CERTIFICATES, *paths}):
        needed = path == CERTIFICATES or CERTIFICATES not in path.parents
        if needed and path.is_absolute() and path.exists() and path != Path("/"):
            options += ["-v", f"{path}:{path}:ro"]
    return options


def _merged() -> dict[str, str]:
    """Option -> value over all of pip's levels; the environment takes precedence."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    merged: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        section, dot, option = name.rpartition(".")
        if equals and dot and section in ("global", "install", ":env:"):
            merged[option] = str(ast.literal_eval(value))
    return merged


def _path(word: str) -> Path:
    """A local path. For a file:// index it is the index's parent, because the packages are stored beside its pages."""
    return Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)


def _indented(value: str) -> str:
    """A value in the syntax of a configuration file, continuation lines indented."""
    return value.strip().replace("\n", "\n    ")
