"""Decides what happens to a window some of whose files could not be staged: retry, or fail the cart."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from workers.archive.client import FileStatus
from workers.archive.retries import FileRetries, files_failed
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.metadata import MetadataLookup
from workers.staging.staging_run import StagingRun

TAPE_DELAY = 30.0  # seconds until a file that went back to tape is tried again


class FailedFiles:
    def __init__(self, jobs: JobStore, entries: EntryStore, metadata: MetadataLookup, retries: FileRetries) -> None:
        self._jobs = jobs
        self._entries = entries
        self._metadata = metadata
        self._retries = retries

    def retry_soon(self, run: StagingRun) -> list[str]:
        """Wait for the first retry, which is made within this run; return the ids of the files to pull again."""
        self._retries.record(run.failing_entries())
        run.lease.sleep(self._retries.policy.first_retry)
        again = list(run.failing)
        run.failing.clear()
        return again

    def settle(self, run: StagingRun) -> Defer:
        """When to try again. Raises EntriesFailed when no retry is worth it."""
        back_on_tape = self._back_on_tape(run.lease, run.failing)
        failing = [pair for pair in run.failing_entries() if pair[0].archive_id not in back_on_tape]
        retry = self._retries.record(failing)
        if back_on_tape:
            retry = retry or Defer(TAPE_DELAY, "files went back to tape")
        if retry is None:
            for entry in run.work.entries:
                entry.error = run.refused.get(entry.archive_id, entry.error)[:255]
        touched = [entry for entry in run.work.entries if entry.archive_id in run.failing or entry.error]
        self._jobs.fenced(run.lease.job, lambda: self._entries.record_found(touched))
        count, first = self._entries.errors(run.work.cart.id)
        if first is not None and retry is None:
            raise files_failed(count, run.work.cart.files_total, first)
        return retry or Defer(1, "some files could not be staged")

    def _back_on_tape(self, lease: Lease, failing: Collection[str]) -> set[str]:
        """The failing files that the archive has put back on tape since their recall; they are recalled again."""
        answers = self._metadata.statuses(lease, failing)
        back = {name for name, answer in answers if isinstance(answer, FileStatus) and answer.media == "tape"}
        self._metadata.recall(lease, back)
        return back
