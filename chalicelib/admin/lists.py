"""`list` and `dump`: carts of every owner."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show, show_rows, tell, to_json
from chalicelib.admin.parameters import WHEN, When
from chalicelib.admin.wording import age, cart_fields, owner_of, percent, wait_fields, waiting
from chalicelib.db.states import WaitsFor
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_row import UNFINISHED, CartState
from chalicelib.stores.cart_search import CartFilter, CartSearch, FoundCart
from chalicelib.stores.waiting_jobs import CartWait, JobWaitStore

COLUMNS = {
    "id": "CART",
    "uid": "UID",
    "owner": "OWNER",
    "state": "STATE",
    "waits": "WAITS FOR",
    "age": "AGE",
    "size": "SIZE",
    "done": "DONE",
}
STATES, WAITS = [state.value for state in CartState], [one.value for one in WaitsFor]
MOST = 10_000
PATIENCE = 2.0  # seconds without a word, while lines are printed


@click.command("list")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="May be repeated.")
@click.option("--owner", help="Only this owner's; '' for carts of nobody.")
@click.option("--waiting-for", type=click.Choice(WAITS), help="Unfinished carts with a job that waits for it.")
@click.option("--older-than", type=WHEN, help="Posted before: '2 hours' ago, or an ISO 8601 date.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="Carts at most.")
@click.option("--all", "gone", is_flag=True, help="Also deleted and replaced carts.")
@json_option
@click.pass_obj
def list_(
    operator: Operator,
    states: tuple[str, ...],
    owner: str | None,
    waiting_for: str | None,
    older_than: When | None,
    limit: int,
    gone: bool,
    as_json: bool,
) -> None:
    """List carts, the newest first, with what each waits for.

    \b
    Examples:
      pacifica-cartd-cmd list --waiting-for archive
      pacifica-cartd-cmd list --state error --older-than '1 day'

    Exits with 0, also when there are none.
    """
    database = operator.migrated
    now = database.clock()
    before = None if older_than is None else older_than.before(now)
    found = CartSearch(database).search(CartFilter(states, owner, waiting_for, before, gone), limit + 1)
    carts = found[:limit]
    waits = JobWaitStore(database).of_carts([cart.id for cart in carts if _unfinished(cart)])
    if as_json:
        show(True, [{**cart_fields(cart), **wait_fields(waits.get(cart.id))} for cart in carts], "")
    else:
        show_rows(False, [_row(cart, waits.get(cart.id), now) for cart in carts], COLUMNS)
    if len(found) > limit:
        tell(f"there are more; --limit {limit} hides them")


@click.command()
@click.pass_obj
def dump(operator: Operator) -> None:
    """Print every cart that the database has as a JSON line, the oldest first.

    Deleted, replaced and expired carts too, until HISTORY_DAYS are over. The carts are read page by page, so any
    number fits into memory; progress goes to stderr. docs/commands.md explains the fields.

    \b
    Example:
      pacifica-cartd-cmd dump | jq -r 'select(.state == "error") | .message' | sort | uniq -c
    """
    told = time.monotonic()
    for number, cart in enumerate(CartSearch(operator.migrated).everything(), 1):
        sys.stdout.write(to_json(cart_fields(cart)) + "\n")
        if time.monotonic() - told > PATIENCE:
            told = time.monotonic()
            tell(f"{number} carts so far")


def _row(cart: FoundCart, wait: CartWait | None, now: float) -> dict[str, Any]:
    unfinished = _unfinished(cart)
    done, whole = cart.bytes_staged + cart.bundle_bytes, cart.bytes_total + cart.bundle_size
    return {
        "id": cart.id,
        "uid": cart.uid,
        "owner": owner_of(cart.owner),
        "state": cart.state if cart.live else f"{cart.state}, deleted",
        "waits": waiting(wait, now) if unfinished else "",
        "age": age(now - cart.created_at),
        "size": readable_size(cart.bytes_total),
        "done": percent(done, whole) if unfinished else "",
    }


def _unfinished(cart: FoundCart) -> bool:
    return bool(cart.live) and cart.state in UNFINISHED
