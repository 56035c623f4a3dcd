"""Ages and carts in the words of the commands. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chalicelib.admin.output import time_of
from chalicelib.stores.cart_search import FoundCart
from chalicelib.stores.waiting_jobs import WORKING, CartWait

TIMES = ("created_at", "staging_at", "bundling_at", "ended_at", "expired_at", "deleted_at", "used_at")
STEPS = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (120, 60, "min"))


def age(seconds: float | None) -> str:
    """`43 s`, `7 min`, `5 h`, `12 d`: one unit, rounded down."""
    if seconds is None:
        return ""
    for least, unit, name in STEPS:
        if seconds >= least:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def numbered(number: int, thing: str) -> str:
    """`1 job`, `3 jobs`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def longest(number: int, seconds: float) -> str:
    """How long one of them has waited, or the first of several."""
    return f"for {'' if number == 1 else 'up to '}{age(seconds)}"


def owner_of(owner: str) -> str:
    return owner or "(nobody)"


def cart_fields(cart: FoundCart) -> dict[str, Any]:
    """A cart in JSON: the fields of docs/commands.md, which stay as they are."""
    fields = asdict(cart)
    return {**fields, "live": bool(cart.live), **{name: time_of(fields[name]) for name in TIMES}}


def wait_fields(wait: CartWait | None) -> dict[str, Any]:
    """What it waits for, None for nothing."""
    if wait is None or wait.waits_for == WORKING:
        return {"waits_for": None, "waits_since": None, "wait_reason": None}
    return {"waits_for": wait.waits_for, "waits_since": time_of(wait.since), "wait_reason": wait.reason or None}


def waiting(wait: CartWait | None, now: float) -> str:
    """`tape, 3 min`; `in work` if a worker has it; `no job` for a cart that nothing will go on with."""
    if wait is None:
        return "no job"
    return "in work" if wait.waits_for == WORKING else f"{wait.waits_for}, {age(now - wait.since)}"


def percent(part: int, whole: int) -> str:
    return f"{100 * part // whole} %" if whole else ""
