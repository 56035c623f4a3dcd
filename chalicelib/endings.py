"""Fails, retires or expires a cart. Each method runs within the caller's transaction."""

from __future__ import annotations

from chalicelib.job_message import JobMessage
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import CleanupPass, JobKind, JobStore


class CartEndings:
    """Each method returns the messages to send after the commit; none if the cart had ended already."""

    def __init__(self, carts: CartStore, jobs: JobStore) -> None:
        self._carts = carts
        self._jobs = jobs

    def fail(self, cart_id: int, message: str) -> list[JobMessage]:
        """Put an unfinished cart into `error` and stop its work."""
        return self._stop(cart_id) if self._carts.fail(cart_id, message) else []

    def retire(self, cart_id: int) -> list[JobMessage]:
        """Make a deleted or replaced cart no longer live, and stop its work."""
        return self._stop(cart_id) if self._carts.retire(cart_id) else []

    def expire(self, cart_id: int) -> list[JobMessage]:
        """Expire a ready cart: a worker then deletes its bundle."""
        return [self._clean_up(cart_id)] if self._carts.expire(cart_id) else []

    def _stop(self, cart_id: int) -> list[JobMessage]:
        self._jobs.delete_all(cart_id)
        return [self._clean_up(cart_id)]

    def _clean_up(self, cart_id: int) -> JobMessage:
        return self._jobs.add(cart_id, JobKind.CLEANUP, CleanupPass.FIRST)
