"""`queue redrive` and `sweep`: repairs that the sweep does by itself, now."""

from __future__ import annotations

import click

from chalicelib.admin.asking import Progress
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import FAILED, json_option, show, show_rows, tell
from chalicelib.admin.queue import queue
from chalicelib.stores.audit import AuditAction, AuditStore

COLUMNS = {"repair": "REPAIR", "count": "COUNT"}


@queue.command()
@json_option
@click.pass_obj
def redrive(operator: Operator, as_json: bool) -> None:
    """Send all dead letters again now, as the sweep does a few at a time.

    A letter whose job is done, or has been taken since, is only deleted.
    """
    if operator.settings.queue_is_database:
        show(as_json, {"sent_again": 0}, "there are no dead letters: the jobs table is the queue")
        return
    progress, sent = Progress(), 0
    for _ in operator.operating.redrive.run(operator.caller()):
        sent += 1
        progress.say(f"{sent} messages sent so far")
    show(as_json, {"sent_again": sent}, f"{sent} messages are sent again")


@click.command()
@json_option
@click.pass_context
def sweep(context: click.Context, as_json: bool) -> None:
    """Run one sweep now, and print what it repaired.

    The sweep runs by itself, every minute on AWS; several at once are harmless. Exits with 1 if some repairs failed.
    """
    from chalicelib.sweep.sweep import SweepIncomplete  # boto3 takes 0.3 s, and most commands need none

    operator: Operator = context.obj
    sweeping = operator.operating.sweep
    AuditStore(operator.migrated).record(operator.caller(), AuditAction.SWEEP)
    failure = None
    try:
        counts = sweeping.repair()
    except SweepIncomplete as error:
        counts, failure = dict(error.counts), str(error)
    show_rows(as_json, [{"repair": name, "count": count} for name, count in counts.items()], COLUMNS)
    if failure:
        tell(failure)
        context.exit(FAILED)
