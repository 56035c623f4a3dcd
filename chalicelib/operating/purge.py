"""Deletes carts that nobody has used for long, and their bundles, a few in each transaction.

A cart that is downloaded or posted again meanwhile stays: the UPDATE that would delete it looks at its last use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_charges import CartCharges, Charge
from chalicelib.stores.unused_carts import Unused, UnusedCart, UnusedCartStore
from chalicelib.sweep.message_sender import MessageSender

BATCH = 20  # carts in one transaction
PAGE = 500  # carts read at once


class Purge:
    def __init__(
        self,
        database: Database,
        unused: UnusedCartStore,
        endings: CartEndings,
        charges: CartCharges,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._unused = unused
        self._endings = endings
        self._charges = charges
        self._audit = audit
        self._sender = sender

    def find(self, wanted: Unused) -> Iterator[UnusedCart]:
        """What `run` would delete now."""
        after = 0
        while page := self._unused.page(wanted, after, PAGE):
            yield from page
            after = page[-1].id

    def run(self, caller: Caller, wanted: Unused) -> Iterator[UnusedCart]:
        """Delete them; yields each that was deleted, after its transaction."""
        after = 0
        while batch := self._unused.page(wanted, after, BATCH):
            after = batch[-1].id
            yield from self._delete(caller, wanted, batch)

    def _delete(self, caller: Caller, wanted: Unused, batch: Sequence[UnusedCart]) -> list[UnusedCart]:
        deleted, messages = self._db.transaction(lambda: self._delete_within(caller, wanted, batch))
        self._sender.send(messages)
        return deleted

    def _delete_within(
        self, caller: Caller, wanted: Unused, batch: Sequence[UnusedCart]
    ) -> tuple[list[UnusedCart], list[JobMessage]]:
        deleted: list[UnusedCart] = []
        messages: list[JobMessage] = []
        freed: dict[str, list[Charge]] = {}
        for cart in batch:
            clean_up, charge = self._endings.retire_unused(cart.id, wanted.states, wanted.before)
            if not clean_up:
                continue
            details = {"state": cart.state, "used_at": cart.used_at, "before": wanted.before}
            self._audit.record(caller.acting_for(cart.owner), AuditAction.PURGE, cart.uid, cart.id, details)
            freed.setdefault(charge.owner, []).append(charge)
            deleted.append(cart)
            messages += clean_up
        for owner in sorted(freed):  # last, and in one order: others lock the rows of owners, too
            self._charges.give_back(owner, _sum(owner, freed[owner]))
        return deleted, messages


def _sum(owner: str, charges: Sequence[Charge]) -> Charge:
    carts, entries, bundles = (sum(column) for column in zip(*(charge[1:] for charge in charges), strict=True))
    return Charge(owner, carts, entries, bundles)
