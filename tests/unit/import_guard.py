"""Run by test_imports in a process of its own: imports every module named and tells what it did besides.

All are imported twice. The first time brings in what they stand on; the second time only our own modules run again,
with eyes on files, sockets, processes and the environment.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator, MutableMapping

WATCHED = (
    "open",
    "socket.",
    "subprocess.",
    "os.system",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.listdir",
    "sqlite3.",
)
SOURCES = (".py", ".pyc")


class WatchedEnviron(MutableMapping[str, str]):
    """The environment, noting who reads it."""

    def __init__(self, environ: MutableMapping[str, str], done: list[str]) -> None:
        self._environ = environ
        self._done = done

    def __getitem__(self, name: str) -> str:
        self._done.append(f"read {name} of the environment")
        return self._environ[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._done.append(f"set {name} in the environment")
        self._environ[name] = value

    def __delitem__(self, name: str) -> None:
        del self._environ[name]

    def __iter__(self) -> Iterator[str]:
        self._done.append("read the environment")
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def main(names: list[str]) -> dict[str, list[str]]:
    for name in names:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.partition(".")[0] in {module.partition(".")[0] for module in names}:
            del sys.modules[name]
    return {name: done for name in names if (done := watched(name))}


def watched(name: str) -> list[str]:
    """What importing a module does, but for reading the sources of modules."""
    done: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event.startswith(WATCHED) and not _is_source(event, arguments):
            done.append(f"{event} {arguments[:1]}")

    sys.addaudithook(hook)
    environ = os.environ
    setattr(os, "environ", WatchedEnviron(environ, done))  # noqa: B010  a stand-in, not a new environment
    try:
        importlib.import_module(name)
    finally:
        watching[0] = False
        setattr(os, "environ", environ)  # noqa: B010
    return done


def _is_source(event: str, arguments: tuple[object, ...]) -> bool:
    """Importing reads sources and folders, and writes compiled sources under a temporary name."""
    if event == "os.listdir":
        return True
    return event in ("open", "os.rename", "os.mkdir") and (
        any(suffix in str(arguments[0]) for suffix in SOURCES) or "__pycache__" in str(arguments[0])
    )


if __name__ == "__main__":
    json.dump(main(sys.argv[1:]), sys.stdout)
