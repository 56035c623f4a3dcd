"""What a cart's row says of its progress, as values for the cart store's UPDATEs. It executes nothing."""

from __future__ import annotations

from typing import Any

import peewee

from chalicelib.db.models import Carts

MARK_EVERY = 10.0  # seconds: rates are measured over the last one to two of these
STALLED_AFTER = 60.0  # seconds without progress, after which earlier rates mean nothing

#: Of a cart whose layout begins, or is void.
NOTHING_COUNTED: dict[str, Any] = {
    "files_staged": 0,
    "bytes_staged": 0,
    "windows_staged": 0,
    "windows_done": 0,
    "bundle_bytes": 0,
    "earlier_at": None,
    "earlier_bytes": 0,
    "later_bytes": 0,
    "later_at": None,
    "counted_at": None,
}


def staged_more(files: int, size: int) -> dict[str, Any]:
    return {"files_staged": Carts.files_staged + files, "bytes_staged": Carts.bytes_staged + size}


def marks_of_progress(now: Any) -> dict[str, Any]:
    """Two marks, MARK_EVERY apart; after a stall they start over, so that no estimate averages over it.

    MySQL assigns one column after the other, in the order of the table: the times that the conditions read come last.
    """
    counted = Carts.bytes_staged + Carts.bundle_bytes
    stalled = peewee.fn.COALESCE(Carts.counted_at, Carts.later_at, 0) <= now - STALLED_AFTER
    due = Carts.later_at <= now - MARK_EVERY
    return {
        "earlier_at": peewee.Case(None, [(stalled, now), (due, Carts.later_at)], Carts.earlier_at),
        "earlier_bytes": peewee.Case(None, [(stalled, counted), (due, Carts.later_bytes)], Carts.earlier_bytes),
        "later_bytes": peewee.Case(None, [(stalled | due, counted)], Carts.later_bytes),
        "later_at": peewee.Case(None, [(stalled | due, now)], Carts.later_at),
        "counted_at": now,
    }
