"""Completes a cart's bundle and makes the cart ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.db.states import WindowState
from chalicelib.errors import CartNotFound, LeaseLost
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from workers.bundling.complete import BundleCompleter
from workers.bundling.upload import Bundle
from workers.runtime.lease import Lease
from workers.staging.release import SpaceReleaser
from workers.staging.window_work import WindowWork
from workers.stores.windows import WindowStore


class CartFinisher:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        windows: WindowStore,
        bundles: BundleStore,
        completer: BundleCompleter,
        releaser: SpaceReleaser,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: seconds since the epoch, about as the database has them."""
        self._jobs = jobs
        self._carts = carts
        self._windows = windows
        self._bundles = bundles
        self._completer = completer
        self._releaser = releaser
        self._clock = clock

    def complete(self, lease: Lease, cart: Cart) -> None:
        """Complete the bundle of a cart whose windows are all done, and finish the cart.

        Raises as `finish` and BundleCompleter.complete.
        """
        with lease.calling_store():
            bundle = self._completer.complete(cart)
        self.finish(lease, cart, bundle)

    def finish(self, lease: Lease, cart: Cart, bundle: Bundle, work: WindowWork | None = None) -> None:
        """Make the cart ready and end the job.

        `work`: the cart's only window, closed in the same transaction; None if all windows are done. Raises LeaseLost
        when the cart is gone; then its bundle is removed again.
        """

        def write() -> None:
            if work is not None:
                if work.unrecorded is not None:
                    work.unrecorded()
                self.close_window(work)
            if not self._carts.mark_ready(cart, bundle.size, bundle.etag, bundle.checksum):
                raise LeaseLost

        try:
            self._jobs.finish(lease.job, write)
        except LeaseLost:
            self._remove_bundle_if_unwanted(cart)
            raise
        counts.observe(metrics.READY, max(0.0, self._clock() - cart.created_at))

    def close_window(self, work: WindowWork, **values: Any) -> None:
        """Mark a window done and release its files, within the caller's transaction."""
        staged = (WindowState.STAGED,)
        if not self._windows.move(work.cart.id, work.window.number, staged, WindowState.DONE, **values):
            raise LeaseLost
        self._releaser.release_window(work)

    def _remove_bundle_if_unwanted(self, cart: Cart) -> None:
        """After a long stall the clean-up may already have run, and nothing else would remove the bundle."""
        try:
            now = self._carts.get(cart.id)
        except CartNotFound:
            now = None
        ended = (CartState.ERROR, CartState.EXPIRED)
        if now is None or now.live is None or now.attempt != cart.attempt or now.state in ended:
            self._bundles.delete_bundle(key_of(cart.id, cart.attempt))
