"""`reconcile`: account against catalogue against disk, bucket against rows."""

from __future__ import annotations

from typing import Any

import click

from chalicelib.admin.asking import Progress, confirm, yes_option
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import PROBLEM, json_option, show
from chalicelib.operating.reconcile import Differences

SHOWN = 20  # of a kind, in words; JSON has all


@click.command()
@click.option("--dry-run", is_flag=True, help="Only look; change nothing.")
@yes_option
@json_option
@click.pass_context
def reconcile(context: click.Context, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Compare what the database says with the bucket and the volume, and repair it.

    Corrects the space account; deletes objects of the bucket that no row owns and that are older than an hour; and lets
    a worker compare the whole volume with its catalogue, which removes files without a row and rows without a file. A
    ready cart whose bundle is missing is only named: delete it, so that its owner can post it again.

    Exits with 3 if anything differs.
    """
    if not dry_run:
        confirm("Delete objects that no row owns, and correct the account?", yes)
    operator: Operator = context.obj
    reconciling = operator.operating.reconcile
    found = reconciling.find(Progress().say)
    if not dry_run:
        reconciling.repair(operator.caller(), found)
    show(as_json, _data(found, dry_run), "\n".join(_lines(found, dry_run)))
    if found.any:
        context.exit(PROBLEM)


def _data(found: Differences, dry_run: bool) -> dict[str, Any]:
    account = None
    if found.account:
        account = {name: dict(zip(("used", "staged"), sums, strict=True)) for name, sums in _named(found)}
    return {
        "account": account,
        "unowned": [{"key": item.key, "size": item.size} for item in found.unowned],
        "missing": [{"cart": cart.id, "owner": cart.owner, "uid": cart.uid} for cart in found.missing],
        "repaired": not dry_run,
    }


def _lines(found: Differences, dry_run: bool) -> list[str]:
    lines = ["the space account is right"]
    if found.account:
        (used, staged), (real_used, real_staged) = found.account
        lines = [
            f"the space account has {used} bytes used and {staged} staged; it should be {real_used}, {real_staged}"
        ]
    lines.append(f"{len(found.unowned)} objects in the bucket have no row{'' if dry_run else '; they are deleted'}")
    lines += [f"  {item.key}" for item in found.unowned[:SHOWN]]
    lines.append(f"{len(found.missing)} ready carts have no bundle{'; delete them' if found.missing else ''}")
    lines += [f"  {cart.uid} of {cart.owner!r}" for cart in found.missing[:SHOWN]]
    if not dry_run:
        lines.append("a worker now compares the volume with its catalogue; its log says what it removes")
    return lines


def _named(found: Differences) -> list[tuple[str, tuple[int, int]]]:
    assert found.account is not None
    return list(zip(("recorded", "real"), found.account, strict=True))
