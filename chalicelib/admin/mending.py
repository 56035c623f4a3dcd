"""`fixit`, `retry`, `fail`, `delete` and `release`: what can be done about single carts and jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from chalicelib.admin.asking import confirm, yes_option
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import FAILED, json_option, show, show_rows
from chalicelib.admin.parameters import WHY
from chalicelib.operating.results import CartAct, Outcome

COLUMNS = {"uid": "UID", "owner": "OWNER", "cart": "CART", "outcome": "OUTCOME", "said": ""}
LARGEST_ID = 2**63 - 1
owner_option = click.option("--owner", help="Whose cart it is; needed only where several owners have one of this name.")


@click.command()
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@owner_option
@json_option
@click.pass_context
def fixit(context: click.Context, uids: tuple[str, ...], owner: str | None, as_json: bool) -> None:
    """Let failed carts begin again, and retry at once what waits in others.

    A cart in `error` keeps its list of files: it asks the archive again about the files that failed, and pulls only
    what is no longer staged. After ERROR_TTL its list is gone, and its manifest must be posted again. Of an unfinished
    cart, whatever waits is looked at again now, as by `retry`.

    Exits with 1 if nothing could be done about one of them.
    """
    operator: Operator = context.obj
    acts = [operator.operating.fix_carts.fix(operator.caller(), uid, owner) for uid in uids]
    _show(context, as_json, acts)


@click.command()
@click.argument("uid")
@owner_option
@json_option
@click.pass_context
def retry(context: click.Context, uid: str, owner: str | None, as_json: bool) -> None:
    """Let the jobs of an unfinished cart that wait be done now, as if they had never failed.

    What they wait for may keep them waiting. A failed cart needs `fixit`.
    """
    operator: Operator = context.obj
    _show(context, as_json, [operator.operating.fix_carts.retry(operator.caller(), uid, owner)])


@click.command()
@click.argument("uid")
@click.option("--why", type=WHY, required=True, help="What its clients see as the cart's message.")
@owner_option
@yes_option
@json_option
@click.pass_context
def fail(context: click.Context, uid: str, why: str, owner: str | None, yes: bool, as_json: bool) -> None:
    """End an unfinished cart in `error`, for example one that would wait for ever."""
    confirm(f"End cart {uid} in error?", yes)
    operator: Operator = context.obj
    _show(context, as_json, [operator.operating.end_carts.fail(operator.caller(), uid, owner, why)])


@click.command()
@click.argument("uid")
@owner_option
@yes_option
@json_option
@click.pass_context
def delete(context: click.Context, uid: str, owner: str | None, yes: bool, as_json: bool) -> None:
    """Delete a cart and its bundle, as a client's DELETE does."""
    confirm(f"Delete cart {uid} and its bundle?", yes)
    operator: Operator = context.obj
    _show(context, as_json, [operator.operating.end_carts.delete(operator.caller(), uid, owner)])


@click.command()
@click.argument("job", type=click.IntRange(1, LARGEST_ID), metavar="JOB")
@json_option
@click.pass_obj
def release(operator: Operator, job: int, as_json: bool) -> None:
    """Take a job from the worker that holds it, so that another worker does it.

    For a worker that hangs: what it still writes is rejected. A worker that is dead loses its jobs by itself, when
    their leases expire. JOB is the number in the log, as in `job 7: window of cart 3`.
    """
    released = operator.operating.release_job.run(operator.caller(), job)
    sentence = f"job {job} is taken from its worker" if released else f"no worker holds job {job}"
    show(as_json, {"job": job, "released": released}, sentence)


def _show(context: click.Context, as_json: bool, acts: Sequence[CartAct]) -> None:
    show_rows(as_json, [dataclasses.asdict(act) for act in acts], COLUMNS)
    if any(act.outcome == Outcome.REFUSED for act in acts):
        context.exit(FAILED)
