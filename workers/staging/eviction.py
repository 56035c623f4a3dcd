"""Eviction: frees space on the volume by removing staged files, the least recently used first.

Files are marked in a transaction, unlinked after it, and forgotten in another, which gives their bytes back: no lock is
held while a disk works. What a crash leaves marked, the job's next claim or ReconcileHandler removes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.volume import Volume, allocated_bytes
from workers.runtime.lease import Lease
from workers.stores.evicted_files import EvictedFileStore

MARKED = 2000  # files marked in one transaction
BATCH = 200  # files forgotten in one


class Evictor:
    """Never evicts a file that a reserved window needs, nor one used within `unused_for` seconds."""

    def __init__(
        self,
        jobs: JobStore,
        account: SpaceAccountStore,
        evicted_files: EvictedFileStore,
        volume: Volume,
        unused_for: float,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: the database's."""
        self._jobs = jobs
        self._account = account
        self._evicted_files = evicted_files
        self._volume = volume
        self._unused_for = unused_for
        self._clock = clock

    def not_yet_evictable(self, since: float) -> int:
        """Bytes released after the time `since` that may not be evicted yet."""
        return self._evicted_files.released_bytes(since, self._unused_for) if self._unused_for else 0

    def seconds_until_evictable(self) -> float | None:
        """Seconds until the next file that no window needs may be evicted; None if there is none."""
        used_at = self._evicted_files.first_used_at() if self._unused_for else None
        return None if used_at is None else max(0.0, used_at + self._unused_for - self._clock())

    def in_flight(self) -> int:
        """Bytes of files that are being evicted. Call it under the lock."""
        return self._evicted_files.marked_bytes()

    def anything_evictable(self) -> bool:
        """Whether any file may be evicted, now or later, or is being evicted. Call it within a transaction."""
        return self._evicted_files.anything_evictable()

    def mark(self, job_id: int, needed: int, keep: Collection[str]) -> int:
        """Mark files until `needed` bytes, or MARKED files, will be freed; return the bytes. Call it under the lock.

        Files in `keep` stay. Then `clear` removes what is marked.
        """
        marked: dict[str, int] = {}
        freed = 0
        for most in (BATCH, MARKED):  # as a rule a few files are enough
            idle = self._evicted_files.least_recently_used(self._unused_for, most + len(keep))
            marked, freed = _first(idle, needed, keep, most)
            if freed >= needed or len(idle) < most + len(keep):
                break
        self._evicted_files.mark(job_id, marked)
        return freed

    def mark_chosen(self, job_id: int) -> int:
        """As `mark`, a batch of the files that an operator has chosen; return how many."""
        chosen = self._evicted_files.chosen(MARKED)
        self._evicted_files.mark(job_id, chosen)
        return len(chosen)

    def clear(self, lease: Lease) -> int:
        """Remove every file that the lease's job has marked, and give its bytes back; return how many files.

        Raises LeaseLost and OSError; then the rest stays marked.
        """
        cleared = 0
        while marked := self._evicted_files.marked(lease.job.id, BATCH):
            for archive_id in marked:
                lease.check()
                self._volume.remove_staged(archive_id)
            self._jobs.fenced(lease.job, lambda ids=marked: self._forget(lease, ids))  # type: ignore[misc]
            cleared += len(marked)
        return cleared

    def _forget(self, lease: Lease, archive_ids: Collection[str]) -> None:
        self._account.lock()
        self._evicted_files.forget(lease.job.id, archive_ids)


def _first(
    idle: Iterable[tuple[str, int]], needed: int, keep: Collection[str], most: int
) -> tuple[dict[str, int], int]:
    """The first files that free `needed` bytes, or `most` of them: archive id -> size; and the bytes that they free."""
    freed = 0
    chosen: dict[str, int] = {}
    for archive_id, size in idle:
        if freed >= needed or len(chosen) == most:
            break
        if archive_id not in keep:
            chosen[archive_id] = size
            freed += allocated_bytes(size)
    return chosen, freed
