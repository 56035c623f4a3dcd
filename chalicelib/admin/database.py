"""`dbsync`, `dbchk` and `dbrestored`: the tables of the database."""

from __future__ import annotations

import click

from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show
from chalicelib.db import schema
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_ids import CartIds


@click.command()
@json_option
@click.pass_obj
def dbsync(operator: Operator, as_json: bool) -> None:
    """Create the tables, or migrate them to this version.

    The API and the workers do the same when they start. It may run while they do, and several times at once.
    """
    done = schema.sync(operator.patient)
    version = schema.applied(operator.patient)
    sentence = f"applied {len(done)} migrations; the tables are at version {version}"
    show(as_json, {"applied": done, "version": version}, sentence)


@click.command()
@click.option("--by", type=click.IntRange(1, 10**9), default=1_000_000, show_default=True, help="How many ids to skip.")
@json_option
@click.pass_obj
def dbrestored(operator: Operator, by: int, as_json: bool) -> None:
    """After a restore: begin the ids of new carts far above all that the lost hours may have used.

    The names of bundles in the store contain the cart's id. If an id came again, a URL from before the restore would
    serve another cart's bundle. Run it before the API serves again; running it twice skips twice.

    \b
    Example: pacifica-cartd-cmd dbrestored
    """
    first = CartIds(operator.migrated).skip(by)
    AuditStore(operator.database).record(operator.caller(), AuditAction.RESTORED, details={"first": first})
    show(as_json, {"first": first}, f"new carts have ids from {first} on")


@click.command()
@json_option
@click.pass_obj
def dbchk(operator: Operator, as_json: bool) -> None:
    """Exit 1 if the tables are older than this code.

    Changes nothing. Newer tables are fine, since migrations only add.
    """
    schema.check(operator.database)
    version = schema.applied(operator.database)
    show(as_json, {"version": version}, f"the tables are at version {version}, which this code can use")
