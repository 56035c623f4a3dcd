"""Reconciles staged_files rows with the disk after crashes; the sweep queues this job.

Temporary files whose writer is gone are removed at once, but not a part of a large file that is still needed: the next
job that pulls the file continues it. The 256 directories take turns, a few per run, so that a run
is short however many files are staged, unless an operator has asked for all of them: a file without a row is removed; a
row without its file is deleted, unless a window needs it, which then stages the file again. Rows of recalls whose job
is gone are deleted, too, and evictions whose job is gone are finished.
"""

from __future__ import annotations

import logging

from chalicelib.db.states import FileState
from chalicelib.stores.job_row import ReconcilePass
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.names import digest_in, version_in
from workers.files.volume import DIRECTORIES, Volume, volume_errors
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done, Outcome
from workers.staging.release import SpaceReleaser
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.recalls import RecallStore
from workers.stores.staged_files import StagedFileStore

PER_RUN = 8  # directories
RECALLS_PER_RUN = 5000  # rows deleted

log = logging.getLogger(__name__)


class ReconcileHandler:
    def __init__(
        self,
        jobs: JobStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        recalls: RecallStore,
        evicted_files: EvictedFileStore,
        volume: Volume,
        releaser: SpaceReleaser,
    ) -> None:
        self._jobs = jobs
        self._account = account
        self._staged_files = staged_files
        self._recalls = recalls
        self._evicted_files = evicted_files
        self._volume = volume
        self._releaser = releaser

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        self._volume.prepare()  # recreates the directories of a volume that was emptied
        self._remove_abandoned_temporaries()
        if adopted := self._jobs.fenced(lease.job, lambda: self._evicted_files.adopt(lease.job.id)):
            log.info("finishing the eviction of %d files", adopted)
        self._jobs.fenced(lease.job, lambda: self._recalls.delete_abandoned(RECALLS_PER_RUN))
        count = DIRECTORIES if lease.job.window == ReconcilePass.WHOLE else PER_RUN
        for directory in self._account.next_directories(count, DIRECTORIES):
            lease.check()
            self._reconcile(lease, directory)
        self._releaser.settle(lease)
        self._jobs.finish(lease.job, lambda: None)
        return Done()

    def _remove_abandoned_temporaries(self) -> None:
        found = self._volume.temporaries()
        alive = self._jobs.alive(found)
        for claim, names in found.items():
            unneeded = [] if claim in alive else [name for name in names if not self._will_be_continued(name)]
            if unneeded:
                self._volume.remove_temporaries(unneeded)
                log.info("removed %d temporary files of job %d", len(unneeded), claim.job_id)

    def _will_be_continued(self, name: str) -> bool:
        """Whether this is part of a file that a window still needs and that is not staged yet."""
        version = version_in(name)
        return bool(version) and FileState.PULLING in self._staged_files.states_by_name(digest_in(version)).values()

    def _reconcile(self, lease: Lease, directory: int) -> None:
        prefix = f"{directory:02x}"
        on_disk = set(self._volume.names(directory))
        recorded = self._staged_files.states_by_name(prefix)
        exists = self._volume.exists
        unseen = {name: state for name, state in recorded.items() if name not in on_disk}
        # Rows of files that are really missing, and of abandoned pulls.
        missing = {name: was for name, was in unseen.items() if was == FileState.PULLING or not exists(name)}
        if missing:
            self._jobs.fenced(lease.job, lambda: self._delete_missing(missing))
        # Read the rows again: a file that has arrived since has had its row since before it arrived.
        strays = on_disk - self._staged_files.states_by_name(prefix).keys()
        for name in strays:
            self._volume.remove(name)
        if strays:
            log.info("removed %d files without a row", len(strays))

    def _delete_missing(self, states: dict[str, str]) -> None:
        self._account.lock()
        self._staged_files.delete_missing(states)
