"""How a cart's work ends other than well: laid out anew, failed, or cleaned up after it was taken away."""

from __future__ import annotations

import logging

from chalicelib.errors import CartNotFound, LeaseLost, PermanentError, Retry, StoreUnavailable
from chalicelib.stores.carts import Cart, CartState
from chalicelib.stores.jobs import CleanupPass, JobKind
from workers.handlers.fail_cart import fail_cart
from workers.runtime.lease import Lease
from workers.staging.parts import Parts
from workers.staging.reserve import Reserver

LAYOUTS = 5  # attempts at a cart whose files change while they are staged
WORKERS_STOP = 15.0  # seconds beyond a lease, after which no worker of the cart can still be writing

log = logging.getLogger(__name__)


class Ending:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reserver = Reserver(parts)

    def lay_out_anew(self, lease: Lease) -> None:
        """Void the layout; the job begins again with the recall. Raises PermanentError after too many, else Retry."""
        cart = self._parts.carts.get(lease.job.cart_id)
        if cart.attempt >= LAYOUTS:
            raise PermanentError("Files of this cart change in the archive faster than they can be staged.")

        def write() -> None:
            self._reserver.release_all(cart.id)
            if not self._parts.carts.void_layout(cart):
                raise LeaseLost
            self._parts.windows.forget(cart.id)
            self._parts.shares.close(cart.id)
            self._parts.entries.forget_found(cart.id)
            self._parts.jobs.delete_others(lease.job)

        self._parts.jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        self._remove_bundle(cart)
        raise Retry(1, "the archive's files are not those of the layout any more")

    def fail(self, lease: Lease, message: str) -> None:
        """End the cart in `error`."""

        fail_cart(self._parts, lease, message)

    def clean_up(self, lease: Lease) -> None:
        """Release what a dead cart holds and remove its bundle; once more when its last worker must have stopped."""
        job = lease.job
        try:
            cart = self._parts.carts.get(job.cart_id)
        except CartNotFound:
            self._parts.jobs.finish(job, lambda: None)
            return
        self._parts.jobs.fenced(job, lambda: self._reserver.release_all(cart.id))
        self._reserver.call_waiting()
        if cart.state != CartState.READY or cart.live is None:
            self._parts.bundles.delete_all(cart.id)
        if job.window == CleanupPass.FIRST:
            later = self._parts.settings.lease + WORKERS_STOP
            self._parts.jobs.park(job, later, "a worker may still be at it", CleanupPass.LAST)
            return
        self._parts.jobs.finish(job, lambda: self._forget(cart) if cart.live is None else None)

    def _forget(self, cart: Cart) -> None:
        self._parts.windows.forget(cart.id)
        self._parts.shares.close(cart.id)
        self._parts.entries.drop(cart.id)

    def _remove_bundle(self, cart: Cart) -> None:
        try:
            self._parts.bundles.delete_all(cart.id)
        except StoreUnavailable as error:
            log.warning("a void upload of cart %d stays until the store's own clean-up: %s", cart.id, error)
