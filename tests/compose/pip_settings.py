"""The machine's own pip settings and certificates, lent to a build by mounts: nothing of them ends in an image.

pip merges files and PIP_* variables; what comes of it is written into one pip.conf, which the build sees as
/etc/pip.conf. Local paths it names are mounted where they are.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")


def mounts(home: Path) -> list[str]:
    """Options of `podman build`. `home` is where the pip.conf is written."""
    settings = _merged()
    lines = [f"{name} = {_indented(value)}" for name, value in sorted(settings.items())]
    (home / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    found = ["-v", f"{home}/pip.conf:/etc/pip.conf:ro"]
    words = {_place(word) for value in settings.values() for word in value.split()}
    for path in sorted({CERTIFICATES, *words}):
        lent = path == CERTIFICATES or CERTIFICATES not in path.parents
        if lent and path.is_absolute() and path.exists() and path != Path("/"):
            found += ["-v", f"{path}:{path}:ro"]
    return found


def _merged() -> dict[str, str]:
    """Name -> value over all of pip's levels, the environment's last."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    merged: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, found, value = line.partition("=")
        section, dot, option = name.rpartition(".")
        if found and dot and section in ("global", "install", ":env:"):
            merged[option] = str(ast.literal_eval(value))
    return merged


def _place(word: str) -> Path:
    """A local path; of an index in a folder the folder around it, for its files are beside its pages."""
    return Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)


def _indented(value: str) -> str:
    """A value of several lines as a configuration file has it."""
    return value.strip().replace("\n", "\n    ")
