"""Releases what windows hold on the volume, and wakes the windows that wait for space."""

from __future__ import annotations

from chalicelib.db.states import WindowState
from chalicelib.job_queue import JobQueue
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files.volume import Volume
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore

WOKEN = 4  # windows that are woken when space is freed


class SpaceReleaser:
    def __init__(
        self,
        entries: EntryStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        volume: Volume,
        queue: JobQueue,
    ) -> None:
        self._entries = entries
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._volume = volume
        self._queue = queue

    def release_window(self, work: WindowWork) -> None:
        """Unpin a window's files, within the caller's transaction. They stay staged, for other carts."""
        self._staged_files.unpin(work.specs())
        self._windows.charges.give_back(work.cart, work.window.number)

    def return_window(self, work: WindowWork) -> None:
        """Undo the reservation of a window that could not be staged, within the caller's transaction."""
        self._account.lock()
        if self._windows.move(work.cart.id, work.window.number, (WindowState.RESERVED,), WindowState.TAKEN):
            self._unpin_and_discard(work)
            self._windows.charges.give_back(work.cart, work.window.number)

    def release_cart(self, cart: Cart) -> None:
        """Drop every window of a cart and what it holds, within the caller's transaction."""
        self._account.lock()
        holding = (WindowState.RESERVED, WindowState.STAGED)
        found = self._windows.in_state(cart.id, WindowState.TAKEN, *holding)
        for window in found:
            if self._windows.move(cart.id, window.number, holding, WindowState.DROPPED, waits_since=None):
                entries = self._entries.page(cart.id, window.first, window.files)
                self._unpin_and_discard(WindowWork(cart, window, entries))
            else:
                taken = (WindowState.TAKEN,)
                self._windows.move(cart.id, window.number, taken, WindowState.DROPPED, waits_since=None)
        self._windows.charges.give_back(cart, *(window.number for window in found))

    def wake_waiting(self) -> None:
        """Send the jobs that have waited longest for space: some may be free now."""
        self._queue.send(self._windows.longest_waiting(WOKEN))

    def _unpin_and_discard(self, work: WindowWork) -> None:
        """Unpin the window's files, and remove those that are not staged.

        Unlinks under the account's lock: without it, another window could stage a file again before it is removed.
        """
        specs = work.specs()
        self._staged_files.unpin(specs)
        for archive_id in self._staged_files.delete_unstaged(specs):
            self._volume.remove_staged(archive_id)
