"""The statements on the jobs' table that every cart needs several times, built once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.db.prepared import Prepared, slot
from chalicelib.stores.turns import is_small, line_of


def adding(database: Database, kind: str, lease: float) -> Prepared:
    """Insert a job of this kind that is due now; of `cart_id` and `window`."""

    def build() -> Any:
        now, cart_id = database.now, slot(database, "cart_id")
        turn = {"due_at": now, "ready": 1, "line": line_of(cart_id, kind), "small": is_small(cart_id, kind)}
        times = {"next_send_at": now + lease, "progress_at": now}
        request = peewee.fn.COALESCE(Carts.select(Carts.request).where(Carts.id == cart_id), "")
        of_cart = {"cart_id": cart_id, "window": slot(database, "window"), "request": request}
        return Jobs.insert(kind=kind, **of_cart, **turn, **times)

    return Prepared(database, build)


def keeping(database: Database, changes: Callable[[], Mapping[str, Any]]) -> Prepared:
    """Renew the live lease of `id` and `token`, and set `kind` and `window`.

    An expired lease is never revived: another worker may have acted since.
    """

    def build() -> Any:
        becoming = {name: slot(database, name) for name in ("kind", "window")}
        mine = (Jobs.id == slot(database, "id")) & (Jobs.token == slot(database, "token"))
        return Jobs.update(**becoming, **changes()).where(mine, Jobs.lease_until > database.now)

    return Prepared(database, build)
