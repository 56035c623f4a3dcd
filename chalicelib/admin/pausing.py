"""`pause` and `resume`: the intake of carts, and pulling from the archive."""

from __future__ import annotations

import click

from chalicelib.admin.asking import confirm, yes_option
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show
from chalicelib.admin.parameters import WHY
from chalicelib.stores.switches import Switch

WHAT = click.Choice([switch.value for switch in Switch])


@click.command()
@click.argument("what", type=WHAT)
@click.option("--why", type=WHY, required=True, help="The reason: clients see that of a paused intake.")
@yes_option
@json_option
@click.pass_obj
def pause(operator: Operator, what: str, why: str, yes: bool, as_json: bool) -> None:
    """Pause the intake of carts, or pulling from the archive, within 5 seconds.

    \b
    intake   POST is answered by 503; all else goes on
    pulling  workers ask and pull nothing of the archive; uploads of what is staged go on. The time does not count
             towards CART_DEADLINE and ARCHIVE_PATIENCE, but towards RECALL_TIMEOUT: tapes go on without the workers

    Pausing again replaces the reason.
    """
    confirm(f"Pause {what}?", yes)
    operator.operating.pausing.pause(operator.caller(), Switch(what), why)
    show(as_json, {"what": what, "paused": True, "why": why}, f"{what} is paused; `resume {what}` lets it go on")


@click.command()
@click.argument("what", type=WHAT)
@json_option
@click.pass_obj
def resume(operator: Operator, what: str, as_json: bool) -> None:
    """Let the intake of carts, or pulling from the archive, go on within 5 seconds."""
    resumed = operator.operating.pausing.resume(operator.caller(), Switch(what))
    sentence = f"{what} goes on" if resumed else f"{what} was not paused"
    show(as_json, {"what": what, "paused": False, "was_paused": resumed}, sentence)
