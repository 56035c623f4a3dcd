"""Stops what a worker asks and pulls of the archive while an operator has paused it."""

from __future__ import annotations

from chalicelib.errors import PullingPaused
from chalicelib.stores.cached_switches import CachedSwitches
from chalicelib.stores.switches import Switch


class PullingGate:
    """The archive's client calls it before each request, and about once a second while one is under way."""

    def __init__(self, switches: CachedSwitches) -> None:
        self._switches = switches

    def check(self) -> None:
        """Raises PullingPaused."""
        pause = self._switches.paused(Switch.PULLING)
        if pause is not None:
            raise PullingPaused(pause.why)
