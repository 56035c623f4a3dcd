"""How a cart's row changes: one guarded UPDATE of a live cart, whose row count says whether this caller made it.

What the history and the log record, and what people are told of, is written with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.db.statement import Statement
from chalicelib.stores.cart_history import CartEvent, CartHistoryStore
from chalicelib.stores.cart_log import CartLog
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.outbox import OutboxStore
from chalicelib.tracing.traces import Traces


class CartChanges:
    """Each method runs within the caller's transaction."""

    def __init__(self, database: Database, history: CartHistoryStore, outbox: OutboxStore, traces: Traces) -> None:
        """`outbox`: where carts that end write whom to tell."""
        self._db = database
        self._history = history
        self._outbox = outbox
        self._log = CartLog(database, traces)

    def end(self, event: CartEvent, cart_id: int, states: Sequence[str], *guards: Any, **values: Any) -> bool:
        """A change that people are told of. Of a cart that tells nobody it is one statement, like any other."""
        if not self._outbox.tells_of_all and self.enter(
            event, cart_id, states, Carts.notify.is_null(), *guards, **values
        ):
            return True
        ended = self.enter(event, cart_id, states, *guards, **values)
        if ended:
            self._outbox.write(cart_id, event)
        return ended

    def enter(
        self, event: CartEvent, cart_id: int, states: Sequence[str], *guards: Any, cause: str = "", **values: Any
    ) -> bool:
        """A change that the history and the log record."""
        changed = self.change(cart_id, states, *guards, **values)
        if changed:
            self.record(cart_id, event, cause)
        return changed

    def end_by(
        self, event: CartEvent, cart_id: int, quiet: Statement, told: Statement, known: Cart | None, **values: Any
    ) -> bool:
        """As `end`, by a statement that is built already; `quiet`: the same for a cart that tells nobody."""
        if not self._outbox.tells_of_all and self.enter_by(event, cart_id, quiet, known, **values):
            return True
        ended = self.enter_by(event, cart_id, told, known, **values)
        if ended:
            self._outbox.write(cart_id, event)
        return ended

    def enter_by(
        self, event: CartEvent, cart_id: int, statement: Statement, known: Cart | None = None, **values: Any
    ) -> bool:
        """As `enter`, by a statement that is built already. `known`: as for `record`."""
        changed = bool(statement.run(self._db, id=cart_id, **values).rowcount)
        if changed:
            self.record(cart_id, event, known=known)
        return changed

    def record(self, cart_id: int, event: CartEvent, cause: str = "", known: Cart | None = None) -> None:
        """`known`: the cart before this change, if that says what the log tells; otherwise the log reads its row."""
        self._history.record(cart_id, event, cause)
        self._db.after_commit(lambda: self._log.tell(cart_id, event, cause, known))

    def change(self, cart_id: int, states: Sequence[str], *guards: Any, **values: Any) -> bool:
        query = Carts.update(**values).where(Carts.id == cart_id, Carts.live == 1, Carts.state.in_(states), *guards)
        return bool(query.execute(self._db.peewee))
