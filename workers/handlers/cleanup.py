"""Cleans up after a cart that was deleted, replaced, failed or expired: releases its space, and removes its bundle
and what was uploaded for it.

It runs twice: now, and when any worker still busy with the cart must have stopped. The second pass also deletes the
cart's entries and windows, unless the cart failed: its client may ask which files failed, and the sweep adds a pass for
the rows when that time is over.
"""

from __future__ import annotations

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.db.states import WaitsFor
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.job_row import CleanupPass
from chalicelib.stores.jobs import JobStore
from workers.files.volume import volume_errors
from workers.handlers.unread_uploads import UnreadUploads
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome, Park
from workers.runtime.time_slice import TimeSlices
from workers.staging.release import SpaceReleaser
from workers.stores.layout_rows import LayoutRows

#: Rows deleted in one transaction. A cart of a million entries in one transaction would hold locks and undo log for
#: half a minute, and a crash would make it start over.
STEP = 5000
BUSY = "a worker may still be busy with the cart"


class CleanupHandler:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        ended_carts: EndedCartStore,
        rows: LayoutRows,
        bundles: BundleStore,
        uploads: UnreadUploads,
        releaser: SpaceReleaser,
        workers_stopped_after: float,
        slices: TimeSlices,
    ) -> None:
        """`workers_stopped_after`: seconds after which no worker of a dead cart can still be writing."""
        self._jobs = jobs
        self._carts = carts
        self._ended_carts = ended_carts
        self._rows = rows
        self._bundles = bundles
        self._uploads = uploads
        self._releaser = releaser
        self._workers_stopped_after = workers_stopped_after
        self._slices = slices

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        job = lease.job
        cart = self._carts.get(job.cart_id)
        self._jobs.fenced(job, lambda: self._releaser.release_cart(lease, cart))
        self._releaser.settle(lease)
        if cart.state != CartState.READY or cart.live is None:
            with lease.calling_store():
                self._bundles.delete_all(cart.id, cart.attempt)
                self._uploads.delete_of_cart(cart.id)
        if job.window == CleanupPass.FIRST:
            return Park(self._workers_stopped_after, WaitsFor.WORKER, BUSY, CleanupPass.LAST)
        if _nobody_reads_rows(cart) or job.window == CleanupPass.ROWS:
            if not self._delete_rows(lease):
                return Defer(0, WaitsFor.TURN, "others have their turn")
            self._jobs.finish(job, lambda: self._ended_carts.mark_cleared(cart.id))
        else:
            self._jobs.finish(job, lambda: None)
        return Done()

    def _delete_rows(self, lease: Lease) -> bool:
        """Delete the cart's windows and entries, step by step; False when the job's turn ends before they are gone.

        A job that is repeated continues.
        """
        job, turn = lease.job, self._slices.begin(lease.job.cart_id)
        while self._jobs.progressed(job, lambda: self._rows.delete_some(job.cart_id, STEP)):
            lease.check()
            if turn.is_over():
                return False
        return True


def _nobody_reads_rows(cart: Cart) -> bool:
    return cart.live is None or cart.state == CartState.EXPIRED
