"""How a cart's work ends other than well: laid out anew, failed, or cleaned up after it was taken away."""

from __future__ import annotations

import logging

from chalicelib.errors import CartNotFound, LeaseLost, PermanentError, Retry, StoreUnavailable
from chalicelib.stores import carts, jobs
from chalicelib.stores.carts import Cart
from chalicelib.stores.jobs import JobMessage
from workers.runtime.lease import Lease
from workers.staging.parts import Parts
from workers.staging.reserve import Reserver

LAYOUTS = 5  # attempts at a cart whose files change while they are staged
FIRST_LOOK, SECOND_LOOK = 0, 1  # what a clean-up job's window says
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
            if not self._parts.carts.lay_out_anew(cart):
                raise LeaseLost
            self._parts.windows.forget(cart.id)
            self._parts.shares.close(cart.id)
            self._parts.entries.forget_found(cart.id)
            self._parts.jobs.drop_others(lease.job)

        self._parts.jobs.fenced(lease.job, write, jobs.RECALL, 0)
        self._remove_bundle(cart)
        raise Retry(1, "the archive's files are not those of the layout any more")

    def fail(self, lease: Lease, message: str) -> None:
        """End the cart in `error`."""

        def write() -> list[JobMessage]:
            return self._parts.carts.fail(lease.job.cart_id, message)

        self._parts.queue.send(self._parts.jobs.finish(lease.job, write))
        log.warning("cart %d failed: %s", lease.job.cart_id, message)

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
        if cart.state != carts.READY or cart.live is None:
            self._parts.bundles.delete_all(cart.id)
        if job.window == FIRST_LOOK:
            later = self._parts.settings.lease + WORKERS_STOP
            self._parts.jobs.park(job, later, "a worker may still be at it", SECOND_LOOK)
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
