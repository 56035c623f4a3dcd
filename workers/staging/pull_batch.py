"""Many files onto the volume: small ones all in the calling thread, large ones each on a thread of the pool.

A small file costs next to nothing but its requests, so threads would only stand in each other's way; a large one is
hashed, which takes a core. On a network volume making a file is several round trips: there a pool of its own writes
small ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial

from workers.runtime.lease import Lease
from workers.runtime.parallel import ahead, each
from workers.staging.file_actions import FileSpec
from workers.staging.parts import Parts
from workers.staging.pull_file import TRIES, Outcome, Puller

SMALL = 256 << 10  # bytes


def pull_all(parts: Parts, lease: Lease, wanted: Iterable[FileSpec]) -> Iterator[tuple[FileSpec, Outcome]]:
    """Each file with the hashes now known of it, or why it is not there, in any order. Raises as Puller.pull.

    Whatever is not right at once is pulled again, with more patience, after the others.
    """
    puller, most = Puller(parts.archive, parts.volume, lease), parts.settings.pull_concurrency * 2
    small: list[FileSpec] = []
    large: list[FileSpec] = []
    for want in wanted:
        (small if want.size <= SMALL else large).append(want)
    again = []
    with closing(puller.fetch(small)) as fetched:
        stored = ahead(parts.store_pool, puller.store, fetched) if parts.volume.remote else map(puller.store, fetched)
        for want, outcome in stored:
            if outcome is None:
                again.append(want)
            else:
                yield want, outcome
    yield from each(parts.pull_pool, puller.pull, large, most, lease.check)
    yield from each(parts.pull_pool, partial(puller.pull, tries=TRIES - 1), again, most, lease.check)
