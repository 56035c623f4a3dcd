"""How full the volume is, looked at in a thread of its own: a network volume that hangs would hang who asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.sample import Sample

EVERY = 15.0  # seconds
OLD = 120.0  # seconds after which a value is no longer shown

log = logging.getLogger(__name__)


class VolumeGauge:
    def __init__(
        self, limit: Callable[[], int], free: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limit`: bytes that staged files may use. `free`: the free part of its file system, 0 to 1."""
        self._limit = limit
        self._free = free
        self._clock = clock
        self._looked: tuple[float, int, float] | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="volume-gauge", daemon=True).start()

    def samples(self) -> list[Sample]:
        """None while the volume does not answer."""
        if self._looked is None or self._clock() - self._looked[0] > OLD:
            return []
        _, limit, free = self._looked
        return [Sample(metrics.SPACE_LIMIT, limit), Sample(metrics.DISK_FREE, free)]

    def look(self) -> None:
        try:
            self._looked = self._clock(), self._limit(), self._free()
        except OSError as error:
            log.warning("cannot see how full the volume is: %s", error)

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(EVERY)
