"""Voids a cart's layout when a file has changed in the archive; the cart starts over with its recall."""

from __future__ import annotations

import dataclasses
import logging

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.db.states import WaitsFor
from chalicelib.errors import LeaseLost, PermanentError, StoreUnavailable
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.runtime.repairs import Repair, Repairs
from workers.staging.release import SpaceReleaser
from workers.stores.layout_rows import LayoutRows

MAX_LAYOUTS = 5  # layouts of one cart; its files change faster than they can be staged

log = logging.getLogger(__name__)


class Relayout:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        rows: LayoutRows,
        bundles: BundleStore,
        releaser: SpaceReleaser,
        repairs: Repairs,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._rows = rows
        self._bundles = bundles
        self._releaser = releaser
        self._repairs = repairs

    def run(self, lease: Lease, why: str) -> Defer:
        """Void the layout; the job becomes a recall again. Raises PermanentError when that has happened too often."""
        cart = self._carts.get(lease.job.cart_id)
        if cart.attempt >= MAX_LAYOUTS:
            too_fast = "Files of this cart change in the archive faster than they can be staged."
            raise PermanentError(f"{too_fast} The last of {cart.attempt} layouts: {why}.")

        def write() -> None:
            self._releaser.release_cart(lease, cart)
            if not self._carts.void_layout(cart, why):
                raise LeaseLost
            self._rows.void(cart.id)
            self._jobs.delete_others(lease.job)
            self._carts.charges.give_back_bundle(cart.id, cart.owner)

        self._jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        lease.job = dataclasses.replace(lease.job, kind=JobKind.RECALL, window=0)  # later statements keep what it is
        self._repairs.note(Repair.LAYOUT, cart.id, why)
        self._releaser.settle(lease)
        self._remove_uploads(lease, cart)
        return Defer(1, WaitsFor.RETRY, f"its layout is made again: {why}")

    def _remove_uploads(self, lease: Lease, cart: Cart) -> None:
        try:
            with lease.calling_store():
                self._bundles.delete_all(cart.id, cart.attempt)
        except StoreUnavailable as error:
            log.warning("cannot abort a void upload of cart %d; the sweep will abort it: %s", cart.id, error)
