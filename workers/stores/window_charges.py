"""What reserved windows count for in their owner's usage. `charged_bytes` says what is to be given back, and once."""

from __future__ import annotations

from typing import Any

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Windows
from chalicelib.db.statement import Statement, slot
from chalicelib.db.states import WindowState
from chalicelib.readable_size import distinct_sizes
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.owner_usage import OwnerUsageStore


class WindowCharges:
    """Each method runs within the caller's transaction; `charge` and `give_back` lock the owner's row: call them last.

    A window at its owner's limit has `waits_for` but not `waits_since`: it holds up its owner's younger carts alone.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._usage = OwnerUsageStore(database)

    def why_not(self, cart: Cart, size: int) -> str:
        """Why the owner of a cart may not have `size` more bytes reserved now; void if it may."""
        limit = self._usage.limits(cart.owner).staging if cart.owner != NOBODY else 0
        if not limit:
            return ""
        used = self._usage.used(cart.owner)["staging"]
        if used and used + size > limit:
            have, most = distinct_sizes(used, limit)
            return f"{have} of its owner's files are being staged, and the limit is {most}"
        return "an older cart of its owner is next" if self._older_waits(cart) else ""

    def stand_aside(self, cart_id: int, number: int, size: int) -> None:
        """Wait for the owner's limit, so not for the volume's space: there it would hold up others."""
        taken = _is(cart_id, number) & (Windows.state == WindowState.TAKEN)
        Windows.update(waits_since=None, waits_for=size).where(taken).execute(self._db.peewee)

    def charge(self, cart: Cart, number: int, size: int) -> None:
        """Raises LimitReached."""
        if cart.owner != NOBODY:
            _CHARGE.run(self._db, cart_id=cart.id, window=number, size=size)
            self._usage.take(cart.owner, staging=size)

    def give_back(self, cart: Cart, *numbers: int) -> None:
        """Give back what these windows hold, if they hold anything."""
        if cart.owner == NOBODY or not numbers:
            return
        these = (Windows.cart_id == cart.id) & Windows.number.in_(numbers) & (Windows.charged_bytes > 0)
        rows = Windows.select(Windows.number, Windows.charged_bytes).where(these).tuples().execute(self._db.peewee)
        freed = sum(size for number, size in list(rows) if self._uncharge(cart.id, number))
        self._usage.give_back(cart.owner, staging=freed)

    def _uncharge(self, cart_id: int, number: int) -> bool:
        return bool(_UNCHARGE.run(self._db, cart_id=cart_id, window=number).rowcount)

    def _older_waits(self, cart: Cart) -> bool:
        older = (Carts.owner == cart.owner) & (Carts.live == 1) & (Carts.id < cart.id)
        waits = (Windows.state == WindowState.TAKEN) & Windows.waits_since.is_null() & Windows.waits_for.is_null(False)
        query = Windows.select(Windows.number).join(Carts, on=Carts.id == Windows.cart_id).where(older, waits)
        return query.limit(1).tuples().first(self._db.peewee) is not None


def _is(cart_id: Any, number: Any) -> Any:
    return (Windows.cart_id == cart_id) & (Windows.number == number)


_THIS = _is(slot("cart_id"), slot("window"))
_CHARGE = Statement(lambda _: Windows.update(charged_bytes=slot("size")).where(_THIS))
_UNCHARGE = Statement(lambda _: Windows.update(charged_bytes=0).where(_THIS, Windows.charged_bytes > 0))
