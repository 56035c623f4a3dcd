"""Decides to retry or fail when files of a window could not be staged."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.db.states import WaitsFor
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from workers.archive.file_status import FileStatus
from workers.files.hashes import mismatch
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.file_retries import FileRetries
from workers.staging.metadata import MetadataLookup
from workers.staging.missing_files import files_failed, refused
from workers.staging.pull_file import Refused, Wrong
from workers.staging.staging_run import StagingRun

TAPE_DELAY = 30.0  # seconds until a file that went back to tape is tried again


class FailedFiles:
    def __init__(self, jobs: JobStore, entries: EntryStore, metadata: MetadataLookup, retries: FileRetries) -> None:
        self._jobs = jobs
        self._entries = entries
        self._metadata = metadata
        self._retries = retries

    def retry_soon(self, run: StagingRun) -> list[str]:
        """Wait for the first retry, which is made within this run; return the ids of the files to pull again.

        Returns no ids, without waiting, if other jobs need this place.
        """
        self._retries.record(run.failing_entries())
        if not self._retries.pause(run.lease):
            return []
        again = list(run.failing)
        run.failing.clear()
        return again

    def settle(self, run: StagingRun) -> Defer:
        """Return when to retry. Raises EntriesFailed if no file should be retried."""
        back_on_tape = self._back_on_tape(run.lease, run.failing)
        failing = [pair for pair in run.failing_entries() if pair[0].archive_id not in back_on_tape]
        retry = self._retries.record_and_schedule(failing)
        if retry is None and back_on_tape:
            retry = Defer(TAPE_DELAY, WaitsFor.TAPE, "files went back to tape")
        if retry is None:
            _refuse(run)
        self._record(run)
        return retry or self._give_up(run)

    def _record(self, run: StagingRun) -> None:
        touched = [entry for entry in run.work.entries if entry.archive_id in run.failing or entry.error]
        self._jobs.fenced(run.lease.job, lambda: self._entries.record_found(touched))

    def _give_up(self, run: StagingRun) -> Defer:
        count, first = self._entries.errors(run.work.cart.id)
        if first is not None:
            raise files_failed(count, run.work.cart.files_total, first)
        return Defer(1, WaitsFor.RETRY, "some files could not be staged")

    def _back_on_tape(self, lease: Lease, failing: Collection[str]) -> set[str]:
        """The failing files that the archive has put back on tape since their recall; they are recalled again."""
        answers = self._metadata.statuses(lease, failing)
        found = {name: answer for name, answer in answers if isinstance(answer, FileStatus)}
        back = {name: (file.size, file.mtime_ns) for name, file in found.items() if file.media == "tape"}
        self._metadata.recall(lease, back)
        return set(back)


def _refuse(run: StagingRun) -> None:
    """Give the entries of refused files the reason as their error.

    Each entry is judged by its own hash: of two that name one file, one may be right.
    """
    for entry in run.work.entries:
        refusal = run.refused.get(entry.archive_id)
        if isinstance(refusal, Refused):
            entry.error = refused(entry.archive_id, refusal.reason)
        elif isinstance(refusal, Wrong):
            entry.error = entry.error or mismatch(entry.hash_name, entry.hash_hex, refusal.hashes)[:255]
