"""Cleans up after a cart that was deleted, replaced, failed or expired: releases its space and removes its bundle.

It runs twice: now, and when any worker still busy with the cart must have stopped.
"""

from __future__ import annotations

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.stores.carts import CartState, CartStore
from chalicelib.stores.jobs import CleanupPass, JobStore
from workers.files.volume import volume_errors
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done, Outcome, Park
from workers.staging.release import SpaceReleaser
from workers.stores.layout_rows import LayoutRows


class CleanupHandler:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        rows: LayoutRows,
        bundles: BundleStore,
        releaser: SpaceReleaser,
        workers_stopped_after: float,
    ) -> None:
        """`workers_stopped_after`: seconds after which no worker of a dead cart can still be writing."""
        self._jobs = jobs
        self._carts = carts
        self._rows = rows
        self._bundles = bundles
        self._releaser = releaser
        self._workers_stopped_after = workers_stopped_after

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        job = lease.job
        cart = self._carts.get(job.cart_id)
        self._jobs.fenced(job, lambda: self._releaser.release_cart(cart))
        self._releaser.wake_waiting()
        if cart.state != CartState.READY or cart.live is None:
            self._bundles.delete_all(cart.id)
        if job.window == CleanupPass.FIRST:
            return Park(self._workers_stopped_after, "a worker may still be busy with the cart", CleanupPass.LAST)
        self._jobs.finish(job, lambda: self._rows.delete(cart.id) if cart.live is None else None)
        return Done()
