"""Ports of the stand-ins: free ones, kept from one run to the next.

A presigned URL names the store's port, so a port changes only when someone else has taken it.
"""

from __future__ import annotations

import errno
import json
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below what Linux, macOS and the BSDs hand to outgoing connections, one of which could take a port between two runs.
CHOICE = range(20_000, 32_000)


def keep_ports(file: Path, names: Sequence[str], *, taken: Callable[[str, int], None]) -> dict[str, int]:
    """A port for each name, the same as last time where that is still free; `taken` is told of any that is not."""
    before = _read(file)
    ports: dict[str, int] = {}
    for name in names:
        port = before.get(name)
        if port is not None and not is_free(port):
            taken(name, port)
            port = None
        ports[name] = port or _choose(exclude=[*ports.values(), *before.values()])
    file.write_text(json.dumps(before | ports, indent=1) + "\n")
    return ports


def is_free(port: int) -> bool:
    return why_not_free(port) is None


def why_not_free(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _choose(exclude: Sequence[int]) -> int:
    for port in random.sample(CHOICE, 200):
        if port not in exclude and is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port found from {CHOICE.start} to {CHOICE.stop}")


def _read(file: Path) -> dict[str, int]:
    if not file.exists():
        return {}
    kept = json.loads(file.read_text())
    return {str(name): int(port) for name, port in kept.items()}
