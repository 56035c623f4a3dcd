"""Imports the modules named as arguments and prints, as JSON, the I/O that each import did. Run by test_imports.

All are imported twice: first with all their dependencies; then only our modules again, while files, sockets, processes
and the environment are watched.
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
    """The environment; adds each access to `done`."""

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
    """Module -> what importing it did, without modules that did nothing."""
    for name in names:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.partition(".")[0] in {module.partition(".")[0] for module in names}:
            del sys.modules[name]
    return {name: done for name in names if (done := watched(name))}


def watched(name: str) -> list[str]:
    """The I/O of importing a module, except reading the sources of modules."""
    done: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event.startswith(WATCHED) and not _is_source(event, arguments):
            done.append(f"{event} {arguments[:1]}")

    sys.addaudithook(hook)
    environ = os.environ
    setattr(os, "environ", WatchedEnviron(environ, done))  # noqa: B010  to watch it, not to change it
    try:
        importlib.import_module(name)
    finally:
        watching[0] = False
        setattr(os, "environ", environ)  # noqa: B010
    return done


def _is_source(event: str, arguments: tuple[object, ...]) -> bool:
    """An import lists directories, reads sources, and writes compiled ones under a temporary name."""
    if event == "os.listdir":
        return True
    return event in ("open", "os.rename", "os.mkdir") and (
        any(suffix in str(arguments[0]) for suffix in SOURCES) or "__pycache__" in str(arguments[0])
    )


if __name__ == "__main__":
    json.dump(main(sys.argv[1:]), sys.stdout)
