"""The liveness file: while the worker lives, its time is renewed; `python -m workers.alive` looks at it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def touch(file: Path) -> None:
    """Set the file's time to now, and make the file if there is none; a fault is logged."""
    try:
        file.touch()
        os.utime(file)
    except OSError as error:
        log.warning("LIVENESS_FILE: cannot touch %s: %s", file, error)
