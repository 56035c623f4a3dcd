"""The stand-ins' ports: free ports that stay the same from run to run.

A presigned URL contains the store's port, so a port changes only when another process has taken it.
"""

from __future__ import annotations

import errno
import json
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports of Linux, macOS and the BSDs, so no outgoing connection takes one of these between two runs.
PORT_RANGE = range(20_000, 32_000)


def keep_ports(file: Path, names: Sequence[str], *, on_taken: Callable[[str, int], None]) -> dict[str, int]:
    """A port for each name: the one saved in `file` if it is still free, otherwise a new one.

    Calls `on_taken(name, port)` for each saved port that is no longer free, and saves the ports.
    """
    saved = saved_ports(file)
    ports: dict[str, int] = {}
    for name in names:
        port = saved.get(name)
        if port is not None and not is_free(port):
            on_taken(name, port)
            port = None
        ports[name] = port or _choose(exclude=[*ports.values(), *saved.values()])
    file.write_text(json.dumps(saved | ports, indent=1) + "\n")
    return ports


def saved_ports(file: Path) -> dict[str, int]:
    """The ports that the last run saved in `file`."""
    if not file.exists():
        return {}
    saved = json.loads(file.read_text())
    return {str(name): int(port) for name, port in saved.items()}


def is_free(port: int) -> bool:
    return bind_error(port) is None


def bind_error(port: int) -> OSError | None:
    """The error of listening on this loopback port, or None if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _choose(exclude: Sequence[int]) -> int:
    for port in random.sample(PORT_RANGE, 200):
        if port not in exclude and is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port found from {PORT_RANGE.start} to {PORT_RANGE.stop}")
