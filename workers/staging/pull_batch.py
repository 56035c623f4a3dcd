"""Pulls many files onto the volume: small files in the calling thread, large files on a thread pool.

A small file costs little beyond its requests, so threads would only contend; a large file is hashed, which takes a
core. On a network volume, creating a file takes several round trips: there, a separate pool writes small files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.runtime.parallel import parallel_map
from workers.runtime.repairs import Repairs
from workers.staging.landing import Landing
from workers.staging.pull_file import TRIES, FilePuller, FileResult

SMALL = 256 << 10  # bytes
WRITTEN_AHEAD = 64  # small files in flight to a network volume


@dataclass(frozen=True)
class PullPools:
    """`write` is separate: tasks that wait for it hold archive requests that `pull` may need (deadlock)."""

    pull: Executor
    write: Executor


class BatchPuller:
    def __init__(
        self, archive: ArchiveClient, volume: Volume, pools: PullPools, concurrency: int, repairs: Repairs | None = None
    ) -> None:
        """`concurrency`: large files pulled at once by all jobs of this worker."""
        self._archive = archive
        self._volume = volume
        self._pools = pools
        self._repairs = repairs or Repairs()
        self._limit = 2 * concurrency

    def pull(
        self, lease: Lease, specs: Iterable[FileSpec], landing: Landing | None = None
    ) -> Iterator[tuple[FileSpec, FileResult]]:
        """Pull files; yields each with its result, in any order. Raises as FilePuller.pull, and what `landing` raises.

        A small file whose bytes are wrong is pulled again, up to TRIES - 1 times, after the others.
        """
        landing = landing or Landing()
        puller, check = self._puller(lease, landing), partial(_check, lease, landing)
        small: list[FileSpec] = []
        large: list[FileSpec] = []
        for spec in specs:
            (small if spec.size <= SMALL else large).append(spec)
        again = []
        for spec, result in self._pull_small(puller, small):
            if result is None:
                again.append(spec)
            else:
                yield spec, result
        yield from parallel_map(self._pools.pull, puller.pull, large, self._limit, check)
        retry = partial(puller.pull, tries=TRIES - 1)
        yield from parallel_map(self._pools.pull, retry, again, self._limit, check)

    def verify(
        self, lease: Lease, specs: Sequence[FileSpec], landing: Landing | None = None
    ) -> Iterator[tuple[FileSpec, FileResult]]:
        """Compute the hashes of staged files; yields each with its result, in any order. Raises as `pull`.

        A file counts as landed as far as it is read.
        """
        landing = landing or Landing()
        puller, check = self._puller(lease, landing), partial(_check, lease, landing)
        return parallel_map(self._pools.pull, puller.verify, specs, self._limit, check)

    def _puller(self, lease: Lease, landing: Landing) -> FilePuller:
        archive = self._archive.for_owner(lease.owner, lease.calling_archive, lease.calling_database)
        return FilePuller(archive, self._volume, lease, landing, self._repairs)

    def _pull_small(
        self, puller: FilePuller, small: Sequence[FileSpec]
    ) -> Iterator[tuple[FileSpec, FileResult | None]]:
        with closing(puller.fetch(small)) as fetched:
            if self._volume.is_remote:
                yield from parallel_map(self._pools.write, puller.store, fetched, WRITTEN_AHEAD)
            else:
                yield from map(puller.store, fetched)


def _check(lease: Lease, landing: Landing) -> None:
    lease.check()
    with lease.calling_database():
        landing.tick()
