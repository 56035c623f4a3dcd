"""`purge`: deletes carts that nobody has used for long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import click

from chalicelib.admin.asking import Progress, confirm, yes_option
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show_rows, tell, time_of
from chalicelib.admin.parameters import WHEN, When
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.unused_carts import Unused, UnusedCart

OVER = (CartState.READY, CartState.ERROR, CartState.EXPIRED)
DEFAULT = f"{CartState.READY},{CartState.ERROR}"
COLUMNS = {"uid": "UID", "owner": "OWNER", "state": "STATE", "used_at": "LAST USED", "bundle_size": "BYTES"}


class Ago(click.ParamType[When]):
    """As WHEN; a span may be followed by `ago`, as Pacifica's own commands write it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        text = value.strip().removesuffix("ago").rstrip() if isinstance(value, str) else value
        return WHEN.convert(text, param, ctx)


class States(click.ParamType[tuple[str, ...]]):
    """States of carts that are over, with commas between them."""

    name = "STATES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        states = tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        if wrong := [state for state in states if state not in OVER]:
            self.fail(f"{wrong[0]!r} is none of {', '.join(OVER)}", param, ctx)
        return states


@click.command()
@click.option("--time-ago", type=Ago(), required=True, help="Not used since then: '60 days ago', or an ISO 8601 date.")
@click.option(
    "--state", "states", type=States(), default=DEFAULT, show_default=True, help="Only carts in these states."
)
@click.option("--owner", help="Only this owner's carts.")
@click.option("--dry-run", is_flag=True, help="Only show which carts would be deleted.")
@yes_option
@json_option
@click.pass_obj
def purge(
    operator: Operator,
    time_ago: When,
    states: tuple[str, ...],
    owner: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete carts that nobody has used for long, and their bundles.

    A cart is used when it is posted, when it becomes ready, and when somebody asks for its bundle. One to which a valid
    URL exists stays, and so does one that is used while this runs. Unfinished carts always stay.
    """
    if not dry_run:
        confirm("Delete these carts and their bundles?", yes)
    wanted = Unused(states, _before(operator.migrated.clock(), time_ago), owner)
    purging = operator.operating.purge
    found = purging.find(wanted) if dry_run else purging.run(operator.caller(), wanted)
    rows: list[dict[str, Any]] = []
    try:
        for cart in _counted(found, dry_run):
            rows.append(_row(cart))
    finally:  # also of what was deleted until it failed, or was interrupted
        show_rows(as_json, rows, COLUMNS)
        size = readable_size(sum(row["bundle_size"] for row in rows))
        tell(f"{len(rows)} carts, with bundles of {size}, {'would be' if dry_run else 'are'} deleted")


def _before(now: float, time_ago: When) -> float:
    """Not later than now: a cart that is used while this runs must stay."""
    before = time_ago.before(now)
    if before > now:
        raise click.BadParameter("is in the future", param_hint="--time-ago")
    return before


def _counted(carts: Iterable[UnusedCart], dry_run: bool) -> Iterable[UnusedCart]:
    progress = Progress()
    for number, cart in enumerate(carts, 1):
        yield cart
        progress.say(f"{number} carts {'found' if dry_run else 'deleted'} so far")


def _row(cart: UnusedCart) -> dict[str, Any]:
    return dataclasses.asdict(cart) | {"used_at": time_of(cart.used_at)}
