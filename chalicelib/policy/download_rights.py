"""Asks the policy again, before a bundle's address is handed out.

The owner's last answer stands for POLICY_TTL. Of concurrent requests one asks, and the others wait for its answer.
About a cart of many files a worker asks, and clients come back. Anyone else who reads a cart is asked about each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.errors import NotAllowed, PolicyUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.policy.asking import IN_REQUEST, Refusal, ask, deadline
from chalicelib.policy.policy import Policy, Reader
from chalicelib.stores.cart_rights import CartRightsStore, LastAnswer
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.owner_usage import OwnerUsageStore


@dataclass(frozen=True, slots=True)
class AskingTimes:
    """Seconds. `ttl`: POLICY_TTL. The answer of a worker stands for `worked` at least: its client has to come back."""

    ttl: float
    refused: float = 5.0
    worked: float = 60.0
    #: after which nobody is asking any more who said so; longer than any question of a request takes
    asking: float = 30.0
    #: for which a request waits for another one's answer, and how often it looks
    patience: float = 10.0
    look_every: float = 0.25


class DownloadRights:
    def __init__(
        self,
        policy: Policy,
        database: Database,
        rights: CartRightsStore,
        entries: EntryStore,
        jobs: JobStore,
        groups: OwnerUsageStore,
        queue: JobQueue,
        times: AskingTimes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._policy = policy
        self._db = database
        self._rights = rights
        self._entries = entries
        self._jobs = jobs
        self._groups = groups
        self._queue = queue
        self._times = times
        self._sleep = sleep

    def check(self, cart: Cart, caller: Caller) -> None:
        """Raise NotAllowed naming places if `caller` may not read a file of the cart, PolicyUnavailable if unknown."""
        if not self._policy.asks:
            return
        if caller.owner != cart.owner:
            self._check_other(cart, caller)
        else:
            self._check_owner(cart, caller)

    def _check_other(self, cart: Cart, caller: Caller) -> None:
        if cart.files_total > IN_REQUEST:
            raise NotAllowed(
                f"Only the owner of a cart of more than {IN_REQUEST} files may download it: about each of them it has "
                "to be known whether its reader may have it."
            )
        refusal = self._ask(cart, Reader(caller.owner, caller.groups))
        if refusal.count:
            raise NotAllowed(refusal.message("This login"))

    def _check_owner(self, cart: Cart, caller: Caller) -> None:
        is_large = cart.files_total > IN_REQUEST
        lasts = max(self._times.ttl, self._times.worked) if is_large else self._times.ttl
        last = self._rights.last(cart.id)
        if last.allowed is not None and last.allowed <= lasts:
            return
        refused_for = max(self._times.refused, self._times.worked) if is_large else self._times.refused
        _raise_refusal(last, refused_for)
        groups = self._groups_of(caller)
        if is_large:
            self._tell_worker(cart, refused_for)
        elif self._rights.claim(cart.id, refused_for, self._times.asking):
            self._ask_now(cart, Reader(cart.owner, groups))
        else:
            self._wait(cart, lasts)

    def _groups_of(self, caller: Caller) -> tuple[str, ...]:
        """Those of the login, if there is one: who has a link reads as the owner, but is not logged in as such."""
        if not caller.scopes:
            return self._groups.groups_of(caller.owner)
        self._groups.remember_groups(caller.owner, caller.groups)
        return caller.groups

    def _ask_now(self, cart: Cart, reader: Reader) -> None:
        try:
            refusal = self._ask(cart, reader)
        except BaseException:
            self._rights.release(cart.id)
            raise
        if refusal.count:
            message = refusal.message("The cart's owner")
            self._rights.refuse(cart.id, message)
            raise NotAllowed(message)
        self._rights.allow(cart.id)

    def _ask(self, cart: Cart, reader: Reader) -> Refusal:
        entries = self._entries.page(cart.id, 0, IN_REQUEST)
        if len(entries) != cart.files_total:
            raise PolicyUnavailable  # the cart has ended meanwhile, and its entries are being deleted
        return ask(self._policy, reader, [(entry.position, entry.archive_id) for entry in entries], deadline())

    def _wait(self, cart: Cart, lasts: float) -> None:
        """Wait for the answer to another request's question."""
        waited = 0.0
        while waited < self._times.patience:
            self._sleep(self._times.look_every)
            waited += self._times.look_every
            last = self._rights.last(cart.id)
            if last.allowed is not None and last.allowed <= max(lasts, waited):
                return
            _raise_refusal(last, self._times.refused)
            if last.asked is None:
                break
        raise PolicyUnavailable

    def _tell_worker(self, cart: Cart, refused_for: float) -> None:
        self._queue.send(self._db.transaction(lambda: self._claim_by_worker(cart, refused_for)))
        raise PolicyUnavailable("A worker asks who may read the files of this cart; try again in a few seconds.")

    def _claim_by_worker(self, cart: Cart, refused_for: float) -> list[JobMessage]:
        """A job that ended without an answer leaves the claim behind; then another one follows."""
        if not self._rights.claim(cart.id, refused_for, self._times.asking) or self._rights.has_job(cart.id):
            return []
        return [self._jobs.add(cart.id, JobKind.POLICY)]


def _raise_refusal(last: LastAnswer, refused_for: float) -> None:
    if last.refusal and last.asked is not None and last.asked < refused_for:
        raise NotAllowed(last.refusal)
