"""The results of a window's files so far, and how they are recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chalicelib.db.states import WindowState
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.counted_files import counted_map
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes
from workers.files.partial_files import PARTIAL_FROM
from workers.runtime.lease import Lease
from workers.staging.landing import Landing
from workers.staging.pull_file import Failing, FileResult, Refused, Wrong
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import Counted, Window, WindowStore

#: A bundle up to these is small.
SMALL_BYTES, SMALL_FILES = 1 << 20, 100


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
    #: in the hands of assistants, or not taken by any yet
    others: dict[str, FileSpec] = field(default_factory=dict)
    landing: Landing = field(default_factory=Landing)
    #: reasons
    failing: dict[str, str] = field(default_factory=dict)
    #: files that no retry helps
    refused: dict[str, Refused | Wrong] = field(default_factory=dict)

    def add(self, spec: FileSpec, result: FileResult) -> None:
        """Note what came of a file."""
        if isinstance(result, Failing):
            self.failing[spec.archive_id] = result.reason
        elif isinstance(result, (Refused, Wrong)):
            self.refused[spec.archive_id] = result
        else:
            (self.verified if spec.archive_id in self.staged_before else self.staged).append((spec, result))
            self.add_done(spec, result)

    def add_done(self, spec: FileSpec, hashes: Hashes) -> None:
        """Note a file that is staged and recorded, by this job or another."""
        self.done.add(spec.archive_id)
        self.work.add_checksum(spec.archive_id, hashes)

    def counted(self) -> list[CartEntry]:
        """The entries that their cart counts as staged."""
        return [entry for entry in self.work.entries if entry.archive_id in self.done and not entry.error]

    def unreported(self) -> bool:
        """Whether the reason of a failing file is not in its entries yet."""
        return any(entry.failing_reason != reason[:255] for entry, reason in self.failing_entries())

    def note_reasons(self) -> list[CartEntry]:
        """Give each failing file's entries the reason, and clear that of files staged now; return those that change."""
        changed = [(entry, reason[:255]) for entry, reason in self.failing_entries()]
        changed = [(entry, reason) for entry, reason in changed if entry.failing_reason != reason]
        for entry, reason in changed:
            entry.failing_reason = reason
        succeeded = [entry for entry in self.counted() if entry.failing_reason or entry.failing_at is not None]
        for entry in succeeded:
            entry.succeed()
        return [*(entry for entry, _ in changed), *succeeded]

    def failing_entries(self) -> list[tuple[CartEntry, str]]:
        """Each entry whose file is failing, with the reason."""
        reasons = self.failing
        return [(entry, reasons[entry.archive_id]) for entry in self.work.entries if entry.archive_id in reasons]


class StagingRecorder:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        entries: EntryStore,
        windows: WindowStore,
        staged_files: StagedFileStore,
        clock: Callable[[], float] = time.time,
        small: int = SMALL_BYTES,
    ) -> None:
        """`clock`: seconds since the epoch, about as the database has them. `small`: bytes of a small bundle."""
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._windows = windows
        self._staged_files = staged_files
        self._clock = clock
        self._small = small

    def record(self, run: StagingRun, now: float) -> None:
        """Record and count what has changed since the last time, so that a crash costs little."""
        if run.staged or run.verified or run.unreported() or _counted(run)[:3] != run.work.window.counted():
            self._write(run, now, last=False)

    def record_window(self, run: StagingRun, now: float) -> None:
        """Record the last files; the window is staged.

        Of a small bundle, that is left to the transaction that ends it, since to pull it again costs next to nothing.
        UploadRecorder records it where the bundle's PUT takes long or fails.
        """
        if _is_whole_bundle(run.work) and run.work.window.length <= self._small:
            run.work.unrecorded = self._writing(run, _counted(run), last=True)
        else:
            self._write(run, now, last=True)
        run.work.set_state(WindowState.STAGED)
        if run.work.cart.windows_total == 1:
            run.work.cart = replace(run.work.cart, state=CartState.BUNDLING, bundling_at=self._clock())

    def _write(self, run: StagingRun, now: float, *, last: bool) -> None:
        counted = _counted(run)
        write = self._writing(run, counted, last=last)
        is_progress = last or run.staged or run.verified or _advances(run.work.window, counted)
        (self._jobs.progressed if is_progress else self._jobs.fenced)(run.lease.job, write)
        run.staged, run.verified, run.recorded_at = [], [], now
        files, size, pulling, _ = counted
        run.work.window = replace(run.work.window, counted_files=files, counted_bytes=size, pulling_bytes=pulling)

    def _writing(self, run: StagingRun, counted: Counted, *, last: bool) -> Callable[[], None]:
        """Writes within a transaction what has changed since the last time."""
        staged, verified, work, changed = run.staged, run.verified, run.work, run.note_reasons()

        def write() -> None:
            if staged:
                self._staged_files.record_staged(staged)
            self._staged_files.add_hashes(verified)
            if changed:
                self._entries.record_found(changed)
            self._count(work, counted, last=last)

        return write

    def _count(self, work: WindowWork, counted: Counted, *, last: bool) -> None:
        """Count in the window's row, and the difference in the cart's."""
        cart, window = work.cart, work.window
        before = window.counted()
        more = (counted.counted_files - before[0], sum(counted[1:3]) - sum(before[1:]))
        if not last:
            self._windows.set_counted(cart.id, window.number, counted)
            self._carts.count_staged(cart, *more)
        elif self._windows.move(
            cart.id, window.number, (WindowState.RESERVED,), WindowState.STAGED, **counted._asdict()
        ):
            self._carts.count_window_staged(cart, *more)
        if not last or cart.windows_total > 1 or any(before):
            self._carts.mark_progress(cart)


def _advances(window: Window, counted: Counted) -> bool:
    """Whether this is progress: bytes of small files are not, or a worker that dies with the same one would go on.

    Bytes of large files are, since they stay; in steps, each of which is taken once.
    """
    before, now = sum(window.counted()[1:]), sum(counted[1:3])
    return counted.counted_files > window.counted_files or now // PARTIAL_FROM > before // PARTIAL_FROM


def _is_whole_bundle(work: WindowWork) -> bool:
    """Whether the window is a bundle of few files that is one PUT, and none of which is recorded yet."""
    cart, window = work.cart, work.window
    is_whole = cart.windows_total == 1 and not cart.upload_id
    return is_whole and window.files <= SMALL_FILES and not any(window.counted())


def _counted(run: StagingRun) -> Counted:
    """What the cart counts of the window now. Bytes once counted stay counted, also while they are pulled again."""
    window, entries = run.work.window, run.counted()
    size = sum(entry.size for entry in entries)
    landed = max(size + run.landing.total(), window.counted_bytes + window.pulling_bytes)
    pulling = min(landed, sum(entry.size for entry in run.work.entries)) - size
    some = 0 < len(entries) < window.files
    places = (entry.position - window.first for entry in entries)
    return Counted(len(entries), size, pulling, counted_map(places, window.files) if some else None)
