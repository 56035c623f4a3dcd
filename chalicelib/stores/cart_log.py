"""One line of the log for each change of a cart's state, with what it took until then; and the ends of its trace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.config.log_context import logged_with
from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.errors import DatabaseUnavailable
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.cart_row import Cart
from chalicelib.tracing.spans import TracedCart, Value
from chalicelib.tracing.traces import Traces

_ENDS = (CartEvent.READY, CartEvent.ERROR)
_GONE = (CartEvent.DELETED, CartEvent.REPLACED)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    """Times are seconds since the epoch, sizes are bytes."""

    uid: str
    owner: str
    request: str
    files: int
    bytes_total: int
    bundle_size: int
    created_at: float
    staging_at: float | None
    bundling_at: float | None
    ended_at: float | None
    now: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.now - self.created_at)


class CartLog:
    def __init__(self, database: Database, traces: Traces, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, about as the database has them."""
        self._db = database
        self._traces = traces
        self._clock = clock

    def tell(self, cart_id: int, event: CartEvent, cause: str = "", cart: Cart | None = None) -> None:
        """Log a change that has been committed, and tell the cart's trace if it begins or ends there.

        `cart`: its row before the change, if that says all. A trace has the database's times, so it reads them.
        """
        if not self._traces.on and not log.isEnabledFor(logging.INFO):
            return
        row = self._row(cart_id) if cart is None or self._traces.on else _row_after(cart, event, self._clock())
        if row is None:
            log.info(_sentence(cart_id, event), extra={"cart": cart_id, "state": str(event)})
            return
        size = row.bundle_size if event == CartEvent.READY else row.bytes_total
        self._trace(cart_id, event, row, size, cause)
        extra: dict[str, Any] = {"state": str(event), "seconds": round(row.seconds, 1), "bytes": size}
        extra |= {"files": row.files, **({"cause": cause} if cause else {})}
        with logged_with(uid=row.uid, owner=row.owner, cart=cart_id, request=row.request):
            log.info("%s: %s%s", _sentence(cart_id, event), _told(row, event, size), _because(cause), extra=extra)

    def _trace(self, cart_id: int, event: CartEvent, row: _Row, size: int, cause: str) -> None:
        cart = TracedCart(cart_id, row.uid, row.request)
        told: dict[str, Value] = {"cart": cart_id, "uid": row.uid, "owner": row.owner, "request": row.request}
        told |= {"files": row.files, "bytes": size}
        if event == CartEvent.POSTED:
            self._traces.posted(cart, row.created_at, told)
        elif event in _ENDS or (event in _GONE and row.ended_at is None):
            failed = cause if event == CartEvent.ERROR else ""
            self._traces.ended(cart, row.created_at, row.ended_at or row.now, failed, {**told, "state": str(event)})

    def _row(self, cart_id: int) -> _Row | None:
        """The cart; None if it cannot be read, because its change is committed all the same."""
        columns = (Carts.uid, Carts.owner, Carts.request, Carts.files_total, Carts.bytes_total, Carts.bundle_size)
        times = (Carts.created_at, Carts.staging_at, Carts.bundling_at, Carts.ended_at, self._db.now.alias("now"))
        try:
            with self._db.session() as db:
                row = Carts.select(*columns, *times).where(Carts.id == cart_id).tuples().first(db)
        except DatabaseUnavailable:
            return None
        return _Row(*row) if row else None


def _row_after(cart: Cart, event: CartEvent, now: float) -> _Row:
    """The cart as a change leaves it that was made now."""
    return _Row(
        cart.uid,
        cart.owner,
        cart.request,
        cart.files_total,
        cart.bytes_total,
        cart.bundle_size,
        cart.created_at,
        now if event == CartEvent.STAGING else cart.staging_at,
        now if event == CartEvent.BUNDLING else cart.bundling_at,
        now if event in _ENDS else cart.ended_at,
        now,
    )


def _sentence(cart_id: int, event: CartEvent) -> str:
    words = {CartEvent.LAYOUT_VOIDED: "starts over", CartEvent.ERROR: "is in error"}
    return f"cart {cart_id} {words.get(event, f'is {event}')}"


def _told(row: _Row, event: CartEvent, size: int) -> str:
    """`12 files, 3.4 GB in 81 s (waited 2 s, staging 60 s, bundling 19 s)`."""
    files = f"{row.files} {'file' if row.files == 1 else 'files'}"
    if event == CartEvent.POSTED:
        return files
    ends = (row.staging_at or row.now, row.bundling_at or row.now, row.now)
    begins = (row.created_at, row.staging_at, row.bundling_at)
    named = zip(("waited", "staging", "bundling"), begins, ends, strict=True)
    phases = [f"{name} {max(0.0, end - begin):.0f} s" for name, begin, end in named if begin is not None]
    if event in (CartEvent.EXPIRED, CartEvent.DELETED, CartEvent.REPLACED):
        phases = []  # it ended long ago
    sizes = f", {readable_size(size)}" if size else ""
    return f"{files}{sizes} in {row.seconds:.0f} s" + (f" ({', '.join(phases)})" if phases else "")


def _because(cause: str) -> str:
    return f": {cause}" if cause else ""
