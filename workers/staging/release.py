"""Releases what windows hold on the volume, and wakes the windows that wait for it.

Files that were not staged are marked in the caller's transaction and removed by `settle`, after it.
"""

from __future__ import annotations

from chalicelib.db.states import WindowState
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.space_account import SpaceAccountStore
from workers.runtime.lease import Lease
from workers.staging.eviction import Evictor
from workers.staging.waking import Waker
from workers.staging.window_work import WindowWork
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


class SpaceReleaser:
    def __init__(
        self,
        entries: EntryStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        evicted_files: EvictedFileStore,
        evictor: Evictor,
        waker: Waker,
    ) -> None:
        self._entries = entries
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._evicted_files = evicted_files
        self._evictor = evictor
        self._waker = waker

    def release_window(self, work: WindowWork) -> None:
        """Unpin a window's files, within the caller's transaction. They stay staged, for other carts."""
        self._staged_files.unpin(work.specs())
        self._windows.charges.give_back(work.cart, work.window.number)

    def return_window(self, lease: Lease, work: WindowWork) -> None:
        """Undo the reservation of a window that could not be staged, within the caller's transaction; then `settle`."""
        self._account.lock()
        if self._windows.move(work.cart.id, work.window.number, (WindowState.RESERVED,), WindowState.TAKEN):
            self._unpin_and_discard(lease, work)
            self._windows.charges.give_back(work.cart, work.window.number)

    def release_cart(self, lease: Lease, cart: Cart) -> None:
        """Drop every window of a cart and what it holds, within the caller's transaction; then `settle`."""
        self._account.lock()
        holding = (WindowState.RESERVED, WindowState.STAGED)
        found = self._windows.in_state(cart.id, WindowState.TAKEN, *holding)
        for window in found:
            if self._windows.move(cart.id, window.number, holding, WindowState.DROPPED, waits_since=None):
                entries = self._entries.page(cart.id, window.first, window.files)
                self._unpin_and_discard(lease, WindowWork(cart, window, entries))
            else:
                taken = (WindowState.TAKEN,)
                self._windows.move(cart.id, window.number, taken, WindowState.DROPPED, waits_since=None)
        self._windows.charges.give_back(cart, *(window.number for window in found))

    def settle(self, lease: Lease) -> None:
        """After the transaction: remove the files that it marked, and wake who waits. Raises as Evictor.clear."""
        self._evictor.clear(lease)
        self._waker.wake(lease.owner)

    def wake_waiting(self, owner: str) -> None:
        """After a transaction that released a window of this owner's cart."""
        self._waker.wake(owner)

    def _unpin_and_discard(self, lease: Lease, work: WindowWork) -> None:
        """Unpin the window's files, and mark those that are not staged to be removed."""
        specs = work.specs()
        self._staged_files.unpin(specs)
        self._evicted_files.mark_unstaged(lease.job.id, specs)
