"""Asks the policy whether a cart's owner may have its files: before anything is looked up, recalled, pulled or bundled.

The staged files are those of all owners, so nothing about them is used for a cart before this was asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.db.states import WaitsFor
from chalicelib.errors import PermanentError
from chalicelib.policy.asking import Refusal, ask
from chalicelib.policy.policy import Policy, Reader
from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from workers.runtime.lease import Lease
from workers.staging.window_work import WindowWork

PAGE = 5000  # entries in memory at once
OWNER = "The cart's owner"


class ReadingRights:
    """Each method raises PolicyUnavailable, which defers the job, while there is no answer."""

    def __init__(
        self,
        policy: Policy,
        jobs: JobStore,
        entries: EntryStore,
        rights: CartRightsStore,
        groups: OwnerUsageStore,
    ) -> None:
        self._policy = policy
        self._jobs = jobs
        self._entries = entries
        self._rights = rights
        self._groups = groups

    def check_window(self, lease: Lease, work: WindowWork) -> None:
        """Raise PermanentError, which ends the cart, if its owner may not have a file of this window."""
        if self._policy.asks and work.entries:
            refusal = self._ask(lease, self._reader(work.cart), work.entries)
            if refusal.count:
                raise PermanentError(refusal.message(OWNER))

    def check_cart(self, lease: Lease, cart: Cart) -> None:
        """Likewise for all files of a new cart, once. The job's `window` is then the page of the look-up, from 0 on."""
        if not self._policy.asks or self._rights.last(cart.id).allowed is not None:
            return
        message = self.refusal(lease, cart)
        if message:
            raise PermanentError(message)
        self._jobs.progressed(lease.job, lambda: self._rights.allow(cart.id), window=0)

    def refusal(self, lease: Lease, cart: Cart) -> str:
        """Which files the cart's owner may not have, void for none. The job's `window` is the page to go on with."""
        reader = self._reader(cart)
        for number in range(lease.job.window, -(-cart.files_total // PAGE)):
            page = self._entries.page(cart.id, number * PAGE, PAGE)
            refusal = self._ask(lease, reader, page)
            if refusal.count:
                asked = page[-1].position + 1
                return refusal.message(OWNER, "" if asked == cart.files_total else f" of the first {asked}")
            self._jobs.progressed(lease.job, lambda: None, window=number + 1)
        return ""

    def _reader(self, cart: Cart) -> Reader:
        return Reader(cart.owner, self._groups.groups_of(cart.owner))

    def _ask(self, lease: Lease, reader: Reader, entries: Sequence[CartEntry]) -> Refusal:
        places = [(entry.position, entry.archive_id) for entry in entries]
        with lease.calls.waiting_on(WaitsFor.POLICY):
            return ask(self._policy, reader, places, lease.check)
