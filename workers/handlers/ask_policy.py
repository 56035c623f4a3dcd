"""The job that asks the policy again about a ready cart of many files, because somebody wants to download it."""

from __future__ import annotations

from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done, Outcome
from workers.staging.reading_rights import ReadingRights


class AskPolicyHandler:
    """The answer is in the cart's row afterwards, where the next request finds it."""

    def __init__(self, jobs: JobStore, carts: CartStore, rights: CartRightsStore, reading: ReadingRights) -> None:
        self._jobs = jobs
        self._carts = carts
        self._rights = rights
        self._reading = reading

    def run(self, lease: Lease) -> Outcome:
        cart = self._carts.get(lease.job.cart_id)
        if cart.state != CartState.READY or cart.live is None:
            self._jobs.finish(lease.job, lambda: None)
            return Done()
        refusal = self._reading.refusal(lease, cart)

        def write() -> None:
            if refusal:
                self._rights.refuse(cart.id, refusal)
            else:
                self._rights.allow(cart.id)

        self._jobs.finish(lease.job, write)
        return Done()
