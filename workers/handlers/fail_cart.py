"""Ends a cart in `error` when its job is given up."""

from __future__ import annotations

import logging

from chalicelib.endings import CartEndings
from chalicelib.job_queue import JobQueue
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease

log = logging.getLogger(__name__)


class FailCart:
    def __init__(self, jobs: JobStore, endings: CartEndings, queue: JobQueue) -> None:
        self._jobs = jobs
        self._endings = endings
        self._queue = queue

    def run(self, lease: Lease, message: str) -> None:
        """End the cart and the job. `message` is shown to the client."""
        cart_id = lease.job.cart_id
        self._queue.send(self._jobs.finish(lease.job, lambda: self._endings.fail(cart_id, message)))
        log.warning("cart %d failed: %s", cart_id, message)  # the alarm on failed carts counts this line
