"""Fails a cart for the sweep, with its last problem in the message."""

from __future__ import annotations

import logging

from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import JobStore

log = logging.getLogger(__name__)  # the metric filter of the alarm carts-given-up matches this name


def fail_cart(endings: CartEndings, jobs: JobStore, cart_id: int, reason: str) -> list[JobMessage]:
    """Fail the cart, within the caller's transaction; return the messages to send."""
    problem = jobs.last_problem(cart_id)
    message = f"{reason} Last: {problem}" if problem else reason
    messages = endings.fail(cart_id, message)
    if messages:
        log.warning("cart %d failed: %s", cart_id, message, extra={"cart": cart_id})
    return messages
