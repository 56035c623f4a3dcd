"""Eviction: frees space on the volume by removing the least recently used staged files."""

from __future__ import annotations

from collections.abc import Collection

from workers.files.volume import Volume, allocated_bytes
from workers.stores.staged_files import StagedFileStore

BATCH = 200  # files per call


class Evictor:
    """Never evicts a file that a reserved window needs, nor one used within `unused_for` seconds."""

    def __init__(self, staged_files: StagedFileStore, volume: Volume, unused_for: float) -> None:
        self._staged_files = staged_files
        self._volume = volume
        self._unused_for = unused_for

    def not_yet_evictable(self, since: float) -> int:
        """Bytes released after the time `since` that may not be evicted yet."""
        return self._staged_files.released_bytes(since, self._unused_for) if self._unused_for else 0

    def free_marked(self) -> int:
        """Evict a batch of the files that an operator has marked; return how many. Call it as `free`."""
        marked = self._staged_files.marked(BATCH)
        for archive_id in marked:
            self._volume.remove_staged(archive_id)
        self._staged_files.delete(marked)
        return len(marked)

    def free(self, needed: int, keep: Collection[str]) -> int:
        """Evict files until `needed` bytes are freed or one batch is done; return the bytes freed.

        Call it under the account's lock: no other reservation may pin a file between its choice and its removal. So
        the lock is held while files are unlinked, which BATCH bounds. Files in `keep` stay.
        """
        freed = 0
        evicted: list[str] = []
        for archive_id, size in self._staged_files.least_recently_used(self._unused_for, BATCH + len(keep)):
            if freed >= needed or len(evicted) == BATCH:
                break
            if archive_id not in keep:
                self._volume.remove_staged(archive_id)
                evicted.append(archive_id)
                freed += allocated_bytes(size)
        self._staged_files.delete(evicted)
        return freed
