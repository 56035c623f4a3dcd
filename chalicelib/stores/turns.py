"""SQL that says when a job is due, which line it waits in, and whether it may take a place for small carts.

The lines take turns (due_jobs.py). Each owner has one; all clean-ups, evictions, reconciliations and looks share one,
so that they neither wait for ever nor hold up the carts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.models import Carts, Jobs

HOUSEKEEPING = " housekeeping"
HOUSEKEEPING_KINDS = ("cleanup", "reconcile", "evict", "look")
SMALL_KINDS = ("recall", "window")
SMALL_FILES, SMALL_BYTES = 100, 256 << 20


@dataclass(frozen=True, slots=True)
class Turn:
    """The next turn: the line behind `after` is first. `only_small`: only small carts may have it."""

    after: str = ""
    only_small: bool = False


def line_of(cart_id: int, kind: str) -> Any:
    """The line of a job of this kind."""
    if kind in HOUSEKEEPING_KINDS:
        return HOUSEKEEPING
    return peewee.fn.COALESCE(Carts.select(Carts.owner).where(Carts.id == cart_id), "")


def is_small(cart_id: int, kind: str) -> Any:
    """1 for the work of a small cart, as far as its size is known, and for housekeeping; 0 for other jobs.

    Housekeeping is short, and the space and the bundles that it frees must not wait until a large pull ends.
    """
    if kind in HOUSEKEEPING_KINDS:
        return 1
    if kind not in SMALL_KINDS:
        return 0
    small = Carts.files_total.between(1, SMALL_FILES) & (Carts.bytes_total <= SMALL_BYTES)
    return peewee.fn.COALESCE(Carts.select(small).where(Carts.id == cart_id), 0)


def is_due(now: Any, lease: float) -> Any:
    """Whether a worker may claim a job.

    The previous release leaves `due_at` as it is, so its rows are also judged by what it does write: the lease, and
    when the sweep may send the message, which is a lease after the job is due until the first resend.
    """
    by_message = (Jobs.next_send_at <= now + lease) | (Jobs.sends > 0)
    has_message = (Jobs.has_message == 1) & (Jobs.sends >= 0)
    return (Jobs.due_at <= now) & (Jobs.lease_until <= now) & has_message & by_message
