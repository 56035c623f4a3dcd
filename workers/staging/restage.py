"""Marks files that are missing or changed as being pulled, and their window as reserved again."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.db.states import WindowState
from chalicelib.errors import PermanentError
from chalicelib.stores.cart_history import CartEvent, CartHistoryStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.runtime.repairs import Repair, Repairs
from workers.staging.file_actions import in_hands_of_another
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore

MOST = 100  # times that windows of one cart are staged again


class Restager:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        volume: Volume,
        history: CartHistoryStore,
        repairs: Repairs,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._volume = volume
        self._history = history
        self._repairs = repairs

    def missing(self, work: WindowWork) -> list[FileSpec]:
        """The window's files that are not on the volume as they were staged, by size and mtime."""
        has = self._volume.has
        return [spec for spec in work.specs().values() if not has(spec.archive_id, spec.size, spec.mtime_ns)]

    def restage(self, lease: Lease, work: WindowWork, specs: Sequence[FileSpec], why: str) -> None:
        """Mark these files as being pulled by this job, and the window as reserved again.

        Raises PermanentError when windows of the cart were staged again too often: then the volume, or the memory of a
        worker, is broken.
        """
        cause = f"window {work.window.number}: {why}"

        def write() -> None:
            self._account.lock()
            found = self._staged_files.find(spec.archive_id for spec in specs)
            ours = [spec for spec in specs if not in_hands_of_another(lease.job.id, found.get(spec.archive_id))]
            self._staged_files.claim(lease.job.id, ours, found, pins=0)
            staged = (WindowState.STAGED,)
            if self._windows.move(work.cart.id, work.window.number, staged, WindowState.RESERVED):
                self._carts.uncount_window_staged(work.cart)
            self._record(work.cart.id, cause)

        self._jobs.fenced(lease.job, write)
        self._repairs.note(Repair.WINDOW, work.cart.id, cause)
        work.set_state(WindowState.RESERVED)

    def _record(self, cart_id: int, cause: str) -> None:
        if self._history.count(cart_id, CartEvent.STAGED_AGAIN) >= MOST:
            raise PermanentError(f"Its files had to be staged again {MOST} times. The last time, {cause}.")
        self._history.record(cart_id, CartEvent.STAGED_AGAIN, cause)
