"""Asks the archive about recalled files, each once for all carts that wait for it."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from chalicelib.job_queue import JobQueue
from chalicelib.stores.jobs import JobStore
from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus
from workers.runtime.lease import Lease
from workers.staging.file_retries import FileRetries
from workers.stores.tape_looks import DueLooks, Look, TapeLookStore

SOON = 5.0  # seconds until a cart reads an answer: it reads what comes meanwhile at once


class TapeLooker:
    def __init__(
        self, jobs: JobStore, looks: TapeLookStore, queue: JobQueue, archive: ArchiveClient, retries: FileRetries
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._looks = looks
        self._archive = archive
        self._retries = retries

    def look(self, lease: Lease) -> DueLooks:
        """Look at the files that are due, as many as all workers may in a second, and record what was found."""
        due = self._jobs.fenced(lease.job, self._looks.take)
        if due.looks:
            self._ask(lease, due.looks)
            self._record(lease, due.looks)
        return due

    def _record(self, lease: Lease, looks: Sequence[Look]) -> None:
        answered = [look for look in looks if look.is_answered]
        waiting = self._looks.jobs_of(answered) if answered else []
        self._jobs.fenced(lease.job, lambda: self._looks.record(looks))
        if waiting:  # a job that misses this, since it is at work or a worker dies, reads the answer at its next poll
            self._queue.send(self._jobs.hasten(waiting, SOON), SOON)

    def _ask(self, lease: Lease, looks: Sequence[Look]) -> None:
        """For each owner alone: the archive may be told whose requests they are."""
        failing: list[tuple[Look, str]] = []
        for owner in sorted({look.owner for look in looks}):
            mine = {look.archive_id: look for look in looks if look.owner == owner}
            archive = self._archive.for_owner(owner, lease.calling_archive, lease.calling_database)
            for archive_id, answer in archive.statuses(mine, lease.check):
                if isinstance(answer, ArchiveUnavailable):
                    mine[archive_id].changed = True
                    failing.append((mine[archive_id], answer.message))
                else:
                    _fill_in(mine[archive_id], answer)
        self._retries.record(failing)


def _fill_in(look: Look, answer: FileStatus | ArchiveRefused) -> None:
    if isinstance(answer, ArchiveRefused):
        look.error = answer.message
        return
    look.changed = look.failing_at is not None
    look.failing_s, look.failing_at, look.failing_reason = 0.0, None, ""
    if answer.media != "tape":
        look.size, look.mtime_ns = answer.size, answer.mtime_ns
