"""The job of an assistant: looks up or pulls files that another job shares.

An assistant never fails a cart. Files it fails on go back to the job that shares them, which retries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from chalicelib.db.states import FileState, WaitsFor, WindowState
from chalicelib.errors import LayoutChanged
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes
from workers.files.volume import volume_errors
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.staging.metadata import MetadataLookup
from workers.staging.pull_batch import BatchPuller
from workers.staging.window_work import WindowWork
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore

TURN = 10.0  # seconds until an assistant requeues itself, so that other jobs run


class AssistHandler:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        entries: EntryStore,
        windows: WindowStore,
        shared_files: SharedFileStore,
        metadata: MetadataLookup,
        pulls: AssistedPulls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._windows = windows
        self._shared_files = shared_files
        self._metadata = metadata
        self._pulls = pulls
        self._clock = clock

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        if lease.job.attempts <= 1:
            deadline = self._clock() + TURN
            for _ in self._steps(lease):
                if self._clock() > deadline:
                    return Defer(0, WaitsFor.TURN, "an assistant's turn is over")
        self._jobs.finish(lease.job, lambda: None)
        return Done()

    def _steps(self, lease: Lease) -> Iterator[None]:
        """Do a few files at a time, until none is left."""
        cart = self._carts.get(lease.job.cart_id)
        if not cart.windows_total:
            yield from self._look_up(lease, cart)
            return
        window = self._windows.get(cart.id, lease.job.window)
        if window is not None and window.state == WindowState.RESERVED:
            entries = self._entries.page(cart.id, window.first, window.files)
            yield from self._pulls.steps(lease, WindowWork(cart, window, entries))

    def _look_up(self, lease: Lease, cart: Cart) -> Iterator[None]:
        """Look up the cart's files. Those the archive fails to answer for stay unknown."""
        while taken := self._jobs.fenced(lease.job, lambda: self._shared_files.take(cart.id)):
            waiting, positions = taken
            entries = self._entries.page(cart.id, positions.start, len(positions))
            unknown = [entry for entry in entries if entry.is_unknown]
            self._metadata.look_up(lease, unknown, waiting)
            self._record(lease, [entry for entry in unknown if entry.size is not None])
            yield

    def _record(self, lease: Lease, entries: Sequence[CartEntry]) -> None:
        self._jobs.progressed(lease.job, lambda: self._entries.record_found(entries))


class AssistedPulls:
    """Pulls the shared files of a window. An assistant becomes the puller of what it takes."""

    def __init__(
        self,
        jobs: JobStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        shared_files: SharedFileStore,
        puller: BatchPuller,
    ) -> None:
        self._jobs = jobs
        self._account = account
        self._staged_files = staged_files
        self._shared_files = shared_files
        self._puller = puller

    def steps(self, lease: Lease, work: WindowWork) -> Iterator[None]:
        specs = list(work.specs().values())
        while (taken := self._jobs.fenced(lease.job, lambda: self._take(lease, specs))) is not None:
            try:
                outcomes = list(self._puller.pull(lease, taken))
            except LayoutChanged:
                return  # the cart's own job finds the same, and voids the layout
            self._record(lease, [(spec, hashes) for spec, hashes in outcomes if isinstance(hashes, dict)])
            yield

    def _take(self, lease: Lease, specs: Sequence[FileSpec]) -> list[FileSpec] | None:
        """Take the next few files, within a transaction; None when none is left."""
        self._account.lock()
        taken = self._shared_files.take(lease.job.cart_id)
        if taken is None:
            return None
        owner, indexes = taken
        mine = specs[indexes.start : indexes.stop]
        self._staged_files.hand_over(owner, lease.job.id, [spec.archive_id for spec in mine])
        return self._still_mine(lease, mine)

    def _record(self, lease: Lease, staged: Sequence[tuple[FileSpec, Hashes]]) -> None:
        """Record only files that are still this job's: its reservation may have been returned meanwhile."""

        def write() -> None:
            self._account.lock()
            mine = {spec.archive_id for spec in self._still_mine(lease, [spec for spec, _ in staged])}
            self._staged_files.record_staged([pair for pair in staged if pair[0].archive_id in mine])

        if staged:
            self._jobs.progressed(lease.job, write)

    def _still_mine(self, lease: Lease, specs: Sequence[FileSpec]) -> list[FileSpec]:
        found = self._staged_files.find(spec.archive_id for spec in specs)
        mine = {name for name, file in found.items() if (file.state, file.puller) == (FileState.PULLING, lease.job.id)}
        return [spec for spec in specs if spec.archive_id in mine]
