"""Ends carts: an unfinished one in `error`, any one by deleting it."""

from __future__ import annotations

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.operating.results import CartAct, Outcome
from chalicelib.service import CartService
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_row import UNFINISHED, Cart
from chalicelib.stores.named_carts import NamedCarts
from chalicelib.sweep.message_sender import MessageSender


class EndCarts:
    def __init__(
        self,
        database: Database,
        named: NamedCarts,
        endings: CartEndings,
        service: CartService,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._named = named
        self._endings = endings
        self._service = service
        self._audit = audit
        self._sender = sender

    def fail(self, caller: Caller, uid: str, owner: str | None, why: str) -> CartAct:
        """End an unfinished cart in `error`; clients see `why`. Raises CartNotFound."""
        cart = self._named.find(uid, owner)
        messages = self._db.transaction(lambda: self._fail(caller, cart, why))
        self._sender.send(messages)
        if not messages:
            over = "it has ended meanwhile" if cart.state in UNFINISHED else f"it is {cart.state}"
            return CartAct(cart.owner, uid, cart.id, Outcome.REFUSED, f"It is not unfinished: {over}.")
        return CartAct(cart.owner, uid, cart.id, Outcome.FAILED, f"It ended in error: {why}")

    def delete(self, caller: Caller, uid: str, owner: str | None) -> CartAct:
        """As the API's DELETE. Raises CartNotFound."""
        cart = self._named.find(uid, owner)
        self._service.delete(caller.acting_for(cart.owner), uid)
        return CartAct(cart.owner, uid, cart.id, Outcome.DELETED, "It is deleted, and its bundle with it.")

    def _fail(self, caller: Caller, cart: Cart, why: str) -> list[JobMessage]:
        messages = self._endings.fail(cart.id, why)
        if messages:
            self._audit.record(caller.acting_for(cart.owner), AuditAction.FAIL, cart.uid, cart.id, {"why": why})
        return messages
