"""Catalogue and disk brought back in line after crashes: a job the sweep queues, since only workers see the volume.

Temporary files whose writer is gone go at once. The 256 directories are walked a few at a time, so that a run is short
however many files are staged: a file without a row is deleted, a row without its file is dropped unless a window needs
it, which then stages it again.
"""

from __future__ import annotations

import logging

from chalicelib.stores.jobs import Claim
from workers.files.volume import FOLDERS, Volume
from workers.runtime.lease import Lease
from workers.staging.parts import Parts
from workers.stores.staged_files import StagedFileStore

AT_ONCE = 8  # directories in one run

log = logging.getLogger(__name__)


class Reconcile:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._volume: Volume = parts.volume
        self._catalogue: StagedFileStore = parts.catalogue

    def run(self, lease: Lease) -> None:
        self._volume.prepare()  # its folders are made at start, and somebody may have emptied it since
        self._drop_temporaries()
        first = self._catalogue.next_folders(AT_ONCE)
        for folder in range(first, first + AT_ONCE):
            lease.check()
            self._reconcile(lease, folder % FOLDERS)
        self._parts.jobs.finish(lease.job, lambda: None)

    def _drop_temporaries(self) -> None:
        found = self._volume.temporaries()
        claims = {owner: _claim(owner) for owner in found}
        alive = self._parts.jobs.alive(claim for claim in claims.values() if claim)
        for owner, paths in found.items():
            if claims[owner] not in alive:
                for path in paths:
                    path.unlink(missing_ok=True)
                log.info("removed %d temporary files of %s", len(paths), owner)

    def _reconcile(self, lease: Lease, folder: int) -> None:
        on_disk = set(self._volume.names(folder))
        rows = {name: state for name, state in self._catalogue.names(f"{folder:02x}").items() if name not in on_disk}
        if rows:
            self._parts.jobs.fenced(lease.job, lambda: self._catalogue.drop_missing(self._volume.exists, rows))
        # Read again: a file that has come since has had its row since before it came.
        strays = on_disk - self._catalogue.names(f"{folder:02x}").keys()
        for name in strays:
            self._volume.remove(name)
        if strays:
            log.info("removed %d files that were in no catalogue", len(strays))


def _claim(owner: str) -> Claim | None:
    job_id, _, token = owner.partition("-")
    return Claim(int(job_id), int(token)) if job_id.isdigit() and token.isdigit() else None
