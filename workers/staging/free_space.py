"""How much of the volume is ours to promise: what else is on its disk, measured while no lock is held.

A look takes one call per temporary file, so the threads of a worker share it for a few seconds. What others have on the
disk is estimated from above: see docs/adr/0046.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.volume import Volume

SHARED_FOR = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Room:
    """`usable`: bytes that may be promised in all, given what else is on the disk; `capacity`: if nothing else were.

    `has_temporaries`: whether any file was being pulled, or was left by a worker that died.
    """

    usable: int
    capacity: int
    has_temporaries: bool


class FreeSpace:
    """Thread-safe."""

    def __init__(
        self,
        account: SpaceAccountStore,
        volume: Volume,
        clock: Callable[[], float] = time.monotonic,
        shared_for: float = SHARED_FOR,
    ) -> None:
        self._account = account
        self._volume = volume
        self._clock = clock
        self._shared_for = shared_for
        self._looking = threading.Lock()
        self._last: tuple[float, Room] | None = None

    def recent(self) -> Room:
        """What was found at most `shared_for` seconds ago. Raises OSError."""
        return self._found_since(self._clock() - self._shared_for)

    def measured(self) -> Room:
        """What is found by a look that begins now. Raises OSError."""
        return self._found_since(self._clock())

    def _found_since(self, since: float) -> Room:
        with self._looking:
            if self._last is None or self._last[0] <= since:
                self._last = self._clock(), self._look()
            return self._last[1]

    def _look(self) -> Room:
        """A file that was staged or removed while we looked counts as another's: too little may be promised, not too
        much.
        """
        before = self._account.read()
        look = self._volume.look()
        removed = self._account.read().removed - before.removed
        usable = self._volume.usable(look, before.used, max(0, before.staged - removed))
        return Room(usable, self._volume.capacity(look), look.has_temporaries)
