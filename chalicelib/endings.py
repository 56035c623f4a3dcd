"""Deletes, fails, retires or expires a cart. Each method runs within the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.caller import Caller
from chalicelib.errors import CartNotFound
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_charges import Charge
from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.job_row import CleanupPass, JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.uploads import UploadStore


class CartEndings:
    """Each method returns the messages to send after the commit: none if the cart had ended already.

    What the cart counts for in its owner's usage is given back last (chalicelib/stores/owner_usage.py).
    """

    def __init__(self, carts: CartStore, jobs: JobStore, uploads: UploadStore) -> None:
        self._carts = carts
        self._jobs = jobs
        self._uploads = uploads

    def delete(self, caller: Caller, uid: str) -> tuple[Cart, list[JobMessage]]:
        """Retire the live cart of `uid`; discard what was uploaded for it and not posted. Raises CartNotFound."""
        cart = self._carts.live(caller.acts_for, uid)
        messages, charge = self._retire(cart.id, CartEvent.DELETED) if cart else ([], Charge())
        if cart is None or not messages:
            raise CartNotFound
        discarded = self._uploads.discard(caller.acts_for, uid)
        self._carts.charges.give_back(cart.owner, charge, discarded)
        return cart, messages

    def fail(self, cart_id: int, message: str) -> list[JobMessage]:
        """Put an unfinished cart into `error` and stop its work."""
        return self._freed(cart_id, self._stop(cart_id)) if self._carts.fail(cart_id, message) else []

    def retire(self, cart_id: int) -> list[JobMessage]:
        """Make a cart no longer live, and stop its work."""
        messages, charge = self._retire(cart_id, CartEvent.DELETED)
        self._carts.charges.give_back(charge.owner, charge)
        return messages

    def replace(self, cart_id: int) -> tuple[list[JobMessage], Charge]:
        """As `retire`, for a new cart; what the old one counted for is the caller's to settle with the new one's."""
        return self._retire(cart_id, CartEvent.REPLACED)

    def retire_unused(self, cart_id: int, states: Sequence[str], before: float) -> tuple[list[JobMessage], Charge]:
        """As `replace`, of a cart in one of these states that was not used since `before` (OperatedCartStore)."""
        if not self._carts.operated.retire_unused(cart_id, states, before):
            return [], Charge()
        return self._stop(cart_id), self._carts.charges.uncharge(cart_id)

    def expire(self, cart_id: int) -> list[JobMessage]:
        """Expire a ready cart: a worker then deletes its bundle."""
        return self._freed(cart_id, [self._clean_up(cart_id)]) if self._carts.expire(cart_id) else []

    def _retire(self, cart_id: int, event: CartEvent) -> tuple[list[JobMessage], Charge]:
        if not self._carts.retire(cart_id, event):
            return [], Charge()
        return self._stop(cart_id), self._carts.charges.uncharge(cart_id)

    def _freed(self, cart_id: int, messages: list[JobMessage]) -> list[JobMessage]:
        charge = self._carts.charges.uncharge(cart_id)
        self._carts.charges.give_back(charge.owner, charge)
        return messages

    def _stop(self, cart_id: int) -> list[JobMessage]:
        self._jobs.delete_all(cart_id)
        self._uploads.close_of_cart(cart_id)  # nobody will read it any more
        return [self._clean_up(cart_id)]

    def _clean_up(self, cart_id: int) -> JobMessage:
        return self._jobs.add(cart_id, JobKind.CLEANUP, CleanupPass.FIRST)
