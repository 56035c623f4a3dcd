"""The results of a window's files so far, and how they are recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from chalicelib.db.states import WindowState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import CartEntry
from chalicelib.stores.jobs import JobStore
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes
from workers.runtime.lease import Lease
from workers.staging.pull_file import Failing, FileResult, Refused
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


@dataclass(slots=True)
class StagingRun:
    """The staging of one window under one lease. Sets and dicts are keyed by archive id."""

    lease: Lease
    work: WindowWork
    recorded_at: float
    done: set[str] = field(default_factory=set)
    #: staged before this run, so charged already
    staged_before: set[str] = field(default_factory=set)
    #: staged, or verified, since the last record
    staged: list[tuple[FileSpec, Hashes]] = field(default_factory=list)
    verified: list[tuple[FileSpec, Hashes]] = field(default_factory=list)
    #: reasons
    failing: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, spec: FileSpec, result: FileResult) -> None:
        """Note what came of a file."""
        if isinstance(result, Failing):
            self.failing[spec.archive_id] = result.reason
        elif isinstance(result, Refused):
            self.refused[spec.archive_id] = result.reason
        else:
            (self.verified if spec.archive_id in self.staged_before else self.staged).append((spec, result))
            self.add_done(spec, result)

    def add_done(self, spec: FileSpec, hashes: Hashes) -> None:
        """Note a file that is staged and recorded, by this job or another."""
        self.done.add(spec.archive_id)
        self.work.add_checksum(spec.archive_id, hashes)

    def failing_entries(self) -> list[tuple[CartEntry, str]]:
        """Each entry whose file is failing, with the reason."""
        reasons = self.failing
        return [(entry, reasons[entry.archive_id]) for entry in self.work.entries if entry.archive_id in reasons]


class StagingRecorder:
    def __init__(self, jobs: JobStore, carts: CartStore, windows: WindowStore, staged_files: StagedFileStore) -> None:
        self._jobs = jobs
        self._carts = carts
        self._windows = windows
        self._staged_files = staged_files

    def record(self, run: StagingRun, now: float) -> None:
        """Record what was staged and verified since the last time, so that a crash costs little."""
        if run.staged or run.verified:
            self._write(run, now, last=False)

    def record_window(self, run: StagingRun, now: float) -> None:
        """Record the last files; the window is staged."""
        self._write(run, now, last=True)
        run.work.set_state(WindowState.STAGED)

    def _write(self, run: StagingRun, now: float, *, last: bool) -> None:
        cart, window = run.work.cart, run.work.window
        counted = [entry for entry in run.work.entries if entry.archive_id in run.done]
        files, size = len(counted), sum(entry.size for entry in counted)
        reserved = (WindowState.RESERVED,)
        more = (files - window.counted_files, size - window.counted_bytes)

        def write() -> None:
            if run.staged:
                self._staged_files.record_staged(run.staged)
            self._staged_files.add_hashes(run.verified)
            if not last:
                self._windows.set_counted(cart.id, window.number, files, size)
                self._carts.count_staged(cart, *more)
            elif self._windows.move(
                cart.id, window.number, reserved, WindowState.STAGED, counted_files=files, counted_bytes=size
            ):
                self._carts.count_window_staged(cart, *more)

        self._jobs.progressed(run.lease.job, write)
        run.staged, run.verified, run.recorded_at = [], [], now
        run.work.window = replace(window, counted_files=files, counted_bytes=size)
