"""The name of this worker process: in its row, in the history and in the log."""

from __future__ import annotations

import os
import secrets
import socket


def worker_name() -> str:
    """Another one for each process: containers of one image may have the same host name and process id."""
    return f"{socket.gethostname()[:128]}-{os.getpid()}-{secrets.token_hex(2)}"
