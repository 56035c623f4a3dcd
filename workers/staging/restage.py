"""Marks files that are missing or changed as being pulled, and their window as reserved again."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.db.states import WindowState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.staging.file_actions import pulled_by_another
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


class Restager:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        volume: Volume,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._volume = volume

    def missing(self, work: WindowWork) -> list[FileSpec]:
        """The window's files that are not on the volume as they were staged, by size and mtime."""
        has = self._volume.has
        return [spec for spec in work.specs().values() if not has(spec.archive_id, spec.size, spec.mtime_ns)]

    def restage(self, lease: Lease, work: WindowWork, specs: Sequence[FileSpec]) -> None:
        """Mark these files as being pulled by this job, and the window as reserved again."""

        def write() -> None:
            self._account.lock()
            found = self._staged_files.find(spec.archive_id for spec in specs)
            ours = [spec for spec in specs if not pulled_by_another(lease.job.id, found.get(spec.archive_id))]
            self._staged_files.claim(lease.job.id, ours, found, pins=0)
            staged = (WindowState.STAGED,)
            if self._windows.move(work.cart.id, work.window.number, staged, WindowState.RESERVED):
                self._carts.uncount_window_staged(work.cart)

        self._jobs.fenced(lease.job, write)
        work.set_state(WindowState.RESERVED)
