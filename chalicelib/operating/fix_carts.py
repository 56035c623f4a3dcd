"""Lets a failed cart begin again with what it has, and lets what waits be done now."""

from __future__ import annotations

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.errors import CartError, CartNotFound, LimitReached
from chalicelib.job_message import JobMessage
from chalicelib.operating.results import CartAct, NotDone, Outcome
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.named_carts import NamedCarts
from chalicelib.stores.operated_jobs import OperatedJobStore
from chalicelib.sweep.message_sender import MessageSender

GONE = "Its list of files has been deleted: its manifest must be posted again."


class FixCarts:
    """Staged files stay on the volume, so a cart that begins again pulls only what is missing there."""

    def __init__(
        self,
        database: Database,
        carts: CartStore,
        named: NamedCarts,
        entries: EntryStore,
        jobs: JobStore,
        operated: OperatedJobStore,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._carts = carts
        self._named = named
        self._entries = entries
        self._jobs = jobs
        self._operated = operated
        self._audit = audit
        self._sender = sender

    def fix(self, caller: Caller, uid: str, owner: str | None) -> CartAct:
        """Restart a failed cart; retry an unfinished one. What cannot be done is said in the result."""
        try:
            cart = self._named.find(uid, owner)
        except CartNotFound as error:
            return CartAct(owner or "", uid, 0, Outcome.REFUSED, error.message)
        if cart.state == CartState.ERROR:
            return self._restart(caller, cart)
        return self.retry(caller, uid, cart.owner)

    def retry(self, caller: Caller, uid: str, owner: str | None) -> CartAct:
        """Let the jobs of an unfinished cart that no worker holds be done now. Raises CartNotFound."""
        cart = self._named.find(uid, owner)
        if cart.state not in UNFINISHED:
            return _act(cart, *_over(cart))

        def write() -> list[JobMessage]:
            if not self._carts.lock(cart.id):
                return []
            messages = self._operated.make_due(cart.id)
            if messages:
                self._audit.record(caller.acting_for(cart.owner), AuditAction.RETRY, cart.uid, cart.id)
            return messages

        messages = self._db.transaction(write)
        self._sender.send(messages)
        if not messages:
            return _act(cart, Outcome.NOTHING, "Nothing of it waits: workers are busy with it.")
        return _act(cart, Outcome.RETRIED, f"{len(messages)} of its jobs are due now.")

    def _restart(self, caller: Caller, cart: Cart) -> CartAct:
        try:
            message = self._db.transaction(lambda: self._restart_within(caller, cart))
        except LimitReached as error:
            return _act(cart, Outcome.REFUSED, f"Its owner has reached a limit: {error.message}")
        except CartError as error:
            if not isinstance(error, NotDone):
                raise
            return _act(cart, Outcome.REFUSED, error.message)
        self._sender.send([message])
        return _act(cart, Outcome.RESTARTED, f"It begins again; it had failed with: {cart.message}")

    def _restart_within(self, caller: Caller, cart: Cart) -> JobMessage:
        """The cart's row is locked first, as by all who end a cart or add a job that deletes its entries."""
        if not self._carts.operated.restart(
            cart, f"an operator let it begin again; it had failed with: {cart.message}"
        ):
            raise NotDone(GONE if cart.cleared_at else "Something else has happened to it meanwhile: look again.")
        if self._operated.is_being_cleared(cart.id) or not self._entries.has_all(cart.id, cart.files_total):
            raise NotDone(GONE)
        self._jobs.delete_all(cart.id)  # the clean-up: the restart does what is left of it
        details = {"attempt": cart.attempt + 1, "message": cart.message}
        self._audit.record(caller.acting_for(cart.owner), AuditAction.RESTART, cart.uid, cart.id, details)
        message = self._jobs.add(cart.id, JobKind.RESTART)
        self._carts.charges.charge_again(cart.id, cart.owner, cart.files_total)
        return message


def _act(cart: Cart, outcome: Outcome, said: str) -> CartAct:
    return CartAct(cart.owner, cart.uid, cart.id, outcome, said)


def _over(cart: Cart) -> tuple[Outcome, str]:
    if cart.state == CartState.READY:
        return Outcome.NOTHING, "It is ready."
    if cart.state == CartState.EXPIRED:
        return Outcome.REFUSED, "It has expired: its manifest must be posted again."
    return Outcome.REFUSED, "It has failed: `fixit` lets it begin again."
