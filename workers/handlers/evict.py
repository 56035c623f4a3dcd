"""Evicts the staged files that an operator has marked: only workers see the volume."""

from __future__ import annotations

import logging

from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.volume import volume_errors
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done, Outcome
from workers.staging.eviction import Evictor
from workers.staging.release import SpaceReleaser

log = logging.getLogger(__name__)


class EvictHandler:
    """A file that a window needs meanwhile is marked no longer: reserving and releasing it is a use."""

    def __init__(self, jobs: JobStore, account: SpaceAccountStore, evictor: Evictor, releaser: SpaceReleaser) -> None:
        self._jobs = jobs
        self._account = account
        self._evictor = evictor
        self._releaser = releaser

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        """A batch in each transaction; its files are unlinked after it, as a reservation evicts."""
        total = self._evictor.clear(lease)
        while self._jobs.progressed(lease.job, lambda: self._mark(lease)):
            total += self._evictor.clear(lease)
        self._releaser.settle(lease)
        log.info("evicted %d files that an operator had marked", total)
        self._jobs.finish(lease.job, lambda: None)
        return Done()

    def _mark(self, lease: Lease) -> int:
        self._account.lock()
        return self._evictor.mark_chosen(lease.job.id)
