"""Repairs: what a worker found damaged or lost, and makes again. Each is logged and counted."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

log = logging.getLogger(__name__)


class Repair(StrEnum):
    #: a staged file that is not what was verified, or cannot be read: it is pulled again
    FILE = "file pulled again"
    #: a window whose files are missing or changed on the volume: it is staged again
    WINDOW = "window staged again"
    #: a layout that a file's change in the archive, or a lost upload, has voided: the cart starts over
    LAYOUT = "layout made again"


class Repairs:
    """Those of this process, since it began. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Repair] = Counter()

    def note(self, repair: Repair, cart_id: int, detail: str) -> None:
        with self._lock:
            self._counts[repair] += 1
        log.warning("cart %d: %s: %s", cart_id, repair, detail, extra={"repair": str(repair)})

    def counts(self) -> Mapping[str, int]:
        """How many of each kind; 0 for those that never happened."""
        with self._lock:
            return {repair: self._counts[repair] for repair in Repair}
