"""The job of one window: reserve space, stage its files, upload its parts, release the space."""

from __future__ import annotations

from chalicelib.db.states import WindowState
from chalicelib.errors import LayoutChanged, LeaseLost
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import Job
from chalicelib.stores.jobs import JobStore
from workers.files.volume import is_full, volume_errors
from workers.handlers.relayout import Relayout
from workers.handlers.upload_window import WindowUpload
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Outcome, Park
from workers.staging.file_actions import FileActions
from workers.staging.reading_rights import ReadingRights
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.stage import Stager
from workers.staging.window_work import WindowWork
from workers.stores.windows import WindowStore


class WindowLoader:
    """Reads what a window's job works on."""

    def __init__(self, carts: CartStore, entries: EntryStore, windows: WindowStore) -> None:
        self._carts = carts
        self._entries = entries
        self._windows = windows

    def load(self, job: Job) -> WindowWork:
        """Raises CartNotFound, and LeaseLost when the window is gone."""
        cart = self._carts.get(job.cart_id)
        window = self._windows.get(job.cart_id, job.window)
        if window is None:
            raise LeaseLost
        return WindowWork(cart, window, self._entries.page(cart.id, window.first, window.files))


class WindowHandler:
    def __init__(
        self,
        jobs: JobStore,
        loader: WindowLoader,
        rights: ReadingRights,
        reserver: Reserver,
        stager: Stager,
        releaser: SpaceReleaser,
        upload: WindowUpload,
        relayout: Relayout,
    ) -> None:
        self._jobs = jobs
        self._loader = loader
        self._rights = rights
        self._reserver = reserver
        self._stager = stager
        self._releaser = releaser
        self._upload = upload
        self._relayout = relayout

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        return self.run_with(lease, self._loader.load(lease.job))

    @volume_errors()
    def run_with(self, lease: Lease, work: WindowWork) -> Outcome:
        try:
            if work.window.state == WindowState.DONE:
                return self._upload.resume(lease, work)
            if work.window.state != WindowState.STAGED and (deferred := self._stage(lease, work)):
                return deferred
            lease.check()
            return self._upload.run(lease, work)
        except LayoutChanged as error:
            return self._relayout.run(lease, str(error))

    def _stage(self, lease: Lease, work: WindowWork) -> Defer | Park | None:
        self._rights.check_window(lease, work)  # before it holds space: while nobody answers, others may use it
        actions = self._reserver.reserve(lease, work)
        if not isinstance(actions, FileActions):
            return actions
        try:
            return self._stager.stage(lease, work, actions)
        except OSError as error:
            if is_full(error):
                # The disk is fuller than the account says: reserve again, from real free space.
                self._jobs.fenced(lease.job, lambda: self._releaser.return_window(lease, work))
                self._releaser.settle(lease)
            raise
