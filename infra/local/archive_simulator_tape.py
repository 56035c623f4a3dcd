"""The simulated tape library: which files are online, and when recalled files come online.

Recalls that arrive within one batch window share one tape mount, so their files come online together. A recall of a
file that is online or already recalled has no effect. Nothing here sleeps; the time comes from an injected clock.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

HASH_RANGE = 1 << 32


class Tape:
    """`share` of the ids start on tape: 0 is none, 1 is all, and which ones depends on the id alone.

    `latency` and `batch` are seconds: from a mount until its files are online, and how long recalls collect for one.
    """

    def __init__(self, clock: Callable[[], float], *, share: float, latency: float, batch: float) -> None:
        self.clock = clock
        self.share = share
        self.latency = latency
        self.batch = batch
        self._online_at: dict[str, float] = {}
        self._batch_opened = float("-inf")

    def online(self, archive_id: str) -> bool:
        if not self.share:
            return True
        due = self._online_at.get(archive_id)
        return due <= self.clock() if due is not None else not self._starts_on_tape(archive_id)

    def recall(self, archive_id: str) -> float:
        """Recall the file; returns the seconds until it is online."""
        if self.online(archive_id):
            return 0.0
        if archive_id not in self._online_at:
            self._online_at[archive_id] = self._next_mount() + self.latency
        return max(0.0, self._online_at[archive_id] - self.clock())

    def reset(self) -> None:
        """Return every file to where it was at the start."""
        self._online_at.clear()
        self._batch_opened = float("-inf")

    def _next_mount(self) -> float:
        now = self.clock()
        if now >= self._batch_opened + self.batch:
            self._batch_opened = now
        return self._batch_opened + self.batch

    def _starts_on_tape(self, archive_id: str) -> bool:
        return zlib.crc32(archive_id.encode()) < self.share * HASH_RANGE
