"""Ends a cart from a worker: in `error`."""

from __future__ import annotations

import logging

from workers.runtime.lease import Lease
from workers.staging.parts import Parts

log = logging.getLogger(__name__)  # the metric filter of the alarm carts-failed matches this name


def fail_cart(parts: Parts, lease: Lease, message: str) -> None:
    """Fail the cart of the lease's job and finish the job. Raises LeaseLost."""
    cart_id = lease.job.cart_id
    parts.queue.send(parts.jobs.finish(lease.job, lambda: parts.endings.fail(cart_id, message)))
    log.warning("cart %d failed: %s", cart_id, message)
