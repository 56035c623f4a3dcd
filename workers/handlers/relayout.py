"""Voids a cart's layout when a file has changed in the archive; the cart starts over with its recall."""

from __future__ import annotations

import logging

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.errors import LeaseLost, PermanentError, StoreUnavailable
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.jobs import JobKind, JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
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
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._rows = rows
        self._bundles = bundles
        self._releaser = releaser

    def run(self, lease: Lease) -> Defer:
        """Void the layout; the job becomes a recall again. Raises PermanentError when that has happened too often."""
        cart = self._carts.get(lease.job.cart_id)
        if cart.attempt >= MAX_LAYOUTS:
            raise PermanentError("Files of this cart change in the archive faster than they can be staged.")

        def write() -> None:
            self._releaser.release_cart(cart)
            if not self._carts.void_layout(cart):
                raise LeaseLost
            self._rows.void(cart.id)
            self._jobs.delete_others(lease.job)

        self._jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        self._remove_uploads(cart)
        return Defer(1, "files changed in the archive")

    def _remove_uploads(self, cart: Cart) -> None:
        try:
            self._bundles.delete_all(cart.id)
        except StoreUnavailable as error:
            log.warning("cannot abort a void upload of cart %d; the sweep will abort it: %s", cart.id, error)
