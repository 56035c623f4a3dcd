"""The statements on the carts' table that every cart needs, built once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import peewee

from chalicelib.db.models import Carts
from chalicelib.db.statement import Statement, slot
from chalicelib.stores.cart_progress import NOTHING_COUNTED, staged_more
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState

LAID_OUT = (CartState.STAGING, CartState.BUNDLING)
_NEW = ("owner", "uid", "root", "names", "sums", "files_total", "warnings", "uploaded", "digest")
_NEW_TOO = ("request", "notify", "charged", "charged_entries")
IS_LIVE = Carts.live == peewee.SQL("1")

COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(Cart)]

GET = Statement(lambda _: Carts.select(*COLUMNS).where(Carts.id == slot("id")))
INSERT = Statement(
    lambda database: Carts.insert(
        {name: slot(name) for name in (*_NEW, *_NEW_TOO)} | dict.fromkeys(("created_at", "used_at"), database.now)
    )
)


def _change(states: Sequence[str], values: Callable[[Any], Mapping[str, Any]], *guards: Any) -> Statement:
    """A guarded change of a live cart, as CartChanges makes it. `values` are given the database's time."""
    guarded = (Carts.id == slot("id"), IS_LIVE, Carts.state.in_(states), *guards)
    return Statement(lambda database: Carts.update(**values(database.now)).where(*guarded))


BEGIN_STAGING = _change((CartState.WAITING,), lambda now: {"state": CartState.STAGING, "staging_at": now})


@functools.cache
def record_layout(columns: tuple[str, ...]) -> Statement:
    """Set these columns of a cart that is staged, of this `attempt`."""
    named = {name: slot(name) for name in columns}
    return _change(
        (CartState.STAGING,),
        lambda now: NOTHING_COUNTED | {"earlier_at": now, "later_at": now} | named,
        Carts.attempt == slot("attempt"),
    )


#: The only window is staged: `files` and `size` more.
ONLY_WINDOW_STAGED = _change(
    UNFINISHED,
    lambda now: {
        "state": CartState.BUNDLING,
        "bundling_at": now,
        "windows_staged": Carts.windows_staged + 1,
        **staged_more(slot("files"), slot("size")),
    },
)


def _ready(now: Any) -> Mapping[str, Any]:
    times = {"ended_at": now, "used_at": now}
    bundle = {name: slot(name) for name in ("bundle_size", "bundle_etag", "bundle_checksum")}
    done = {"bundle_bytes": slot("bundle_size"), "windows_done": Carts.windows_total, "upload_id": ""}
    return {"state": CartState.READY, **times, **bundle, **done}


READY = _change(LAID_OUT, _ready, Carts.attempt == slot("attempt"))
READY_UNTOLD = _change(LAID_OUT, _ready, Carts.attempt == slot("attempt"), Carts.notify.is_null())
