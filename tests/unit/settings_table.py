"""The rows of docs/settings.md and the files that read each setting, taken from the code."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

from chalicelib.config import parsers
from chalicelib.config.settings import Settings

ROOT = Path(__file__).parents[2]
READERS = ("all", "API", "workers", "sweep", "API, workers", "workers, sweep")


def expected_rows() -> dict[str, str]:
    """Variable -> its row without the last column, the processes that read it."""
    return {
        field.metadata["env"]: f"| `{field.metadata['env']}` | {_default(field)} | {field.metadata['doc']} |"
        for field in dataclasses.fields(Settings)
    }


@functools.cache
def users() -> dict[str, set[str]]:
    """Variable -> the files that read the setting."""
    files = [
        *(ROOT / f"{name}.py" for name in ("app", "asgi", "wsgi")),
        *(ROOT / "chalicelib").rglob("*.py"),
        *(ROOT / "workers").rglob("*.py"),
    ]
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in files}
    return {
        field.metadata["env"]: {
            name for name, source in sources.items() if re.search(rf"(settings|\))\.{field.name}\b", source)
        }
        for field in dataclasses.fields(Settings)
    }


def _default(field: dataclasses.Field[Any]) -> str:
    value: Any = field.default
    if value in (None, "", ()):
        return "not set"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return "on" if value else "off"
    if field.metadata["parse"] in (parsers.size, parsers.part_size):
        return f"`{_short(value)}`"
    if isinstance(value, float) and value == int(value):
        return f"`{int(value)}`"
    return f"`{value}`"


def _short(size: int) -> str:
    for factor, suffix in ((parsers.TIB, "T"), (parsers.GIB, "G"), (parsers.MIB, "M"), (parsers.KIB, "K")):
        if size and size % factor == 0:
            return f"{size // factor}{suffix}"
    return str(size)
