"""`audit`: who did what. Checks that nothing was changed, exports the records, shows who was refused."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from chalicelib.admin.audit_check import ChainCheck, check_chain
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import PROBLEM, json_option, show, show_rows, tell, time_of, to_json
from chalicelib.admin.parameters import HASH, WHEN, When
from chalicelib.db.snapshot import snapshot
from chalicelib.stores.audit_chain import AuditRow
from chalicelib.stores.audit_log import AuditFilter, AuditLog, Unsealed
from chalicelib.stores.refusal_counts import MINUTE

OVERDUE = 3600.0  # seconds; a sweep seals within a minute, or within minutes after a very large cart
REFUSAL_COLUMNS = {"address": "ADDRESS", "refusals": "REFUSALS", "first": "FIRST", "last": "LAST"}


@click.group()
def audit() -> None:
    """Check, export and look at the record of who did what.

    Records are made with what they record, and sealed by the sweep in a chain of hashes. docs/audit.md says what is
    recorded and what the chain proves.
    """


@audit.command()
@click.option("--known", type=HASH, help="Hash of a seal that you kept: fail unless it is in the chain.")
@json_option
@click.pass_context
def verify(context: click.Context, known: str | None, as_json: bool) -> None:
    """Check all seals and their records, from the oldest that is kept.

    Finds records that were changed, deleted, or added to a seal, and seals that were changed or are missing; records
    that have waited for a seal for over an hour are a problem too. One who can write to the database can make a whole
    new chain, or cut off its end: so keep the hash of the newest seal elsewhere, and give it as --known the next time.

    Exits with 3 if it finds a problem.
    """
    operator: Operator = context.obj
    database = operator.migrated
    log = AuditLog(database)
    with snapshot(database):
        done = check_chain(log.seals(), log.sealed_records(), known)
        waiting = log.unsealed()
    age = 0.0 if waiting.oldest_at is None else max(0.0, database.clock() - waiting.oldest_at)
    if age > OVERDUE:
        done.report(f"the oldest record without a seal is {age:.0f} s old: does the sweep run?")
    _tell_problems(done)
    show(as_json, _summary(done, waiting, age), _sentence(done, waiting, age))
    if done.problem_count:
        context.exit(PROBLEM)


@audit.command()
@click.option("--since", type=WHEN, help="Records of this time and later: '7 days', or a date.")
@click.option("--until", type=WHEN, help="Records before this time: '7 days' ago, or a date.")
@click.option("--owner", help="Records of this owner's carts, and of what this owner did.")
@click.option("--uid", help="Records of carts with this uid, of any owner.")
@click.pass_obj
def export(operator: Operator, since: When | None, until: When | None, owner: str | None, uid: str | None) -> None:
    """Print records as JSON lines, the lowest id first.

    They are read page by page, so any number fits. The last line may be from after the command's start.
    """
    database = operator.migrated
    now = database.clock()
    start, end = (None if when is None else when.before(now) for when in (since, until))
    wanted = AuditFilter(start, end, owner, uid)
    for row, seal in AuditLog(database).records(wanted):
        sys.stdout.write(to_json(_line(row, seal)) + "\n")


@audit.command()
@click.option("--since", type=WHEN, default="1 day", show_default=True, help="From then on: '7 days' ago, or a date.")
@json_option
@click.pass_obj
def refusals(operator: Operator, since: When, as_json: bool) -> None:
    """Show from where requests without a valid login were refused, and how often.

    IPv6 addresses are counted by network (/64). `*` stands for all addresses beyond the first hundred of a few seconds.
    """
    database = operator.migrated
    first_minute = int(since.before(database.clock()) // MINUTE)
    rows = [
        {
            "address": address or "unknown",
            "refusals": count,
            "first": time_of(first * MINUTE),
            "last": time_of(last * MINUTE),
        }
        for address, count, first, last in AuditLog(database).refusals(first_minute)
    ]
    show_rows(as_json, rows, REFUSAL_COLUMNS)


def _summary(done: ChainCheck, waiting: Unsealed, age: float) -> dict[str, Any]:
    return {
        "seals": done.seals,
        "records": done.records,
        "oldest_seal": done.oldest and {"id": done.oldest.id, "sealed_at": time_of(done.oldest.sealed_at)},
        "newest_seal": done.newest
        and {"id": done.newest.id, "sealed_at": time_of(done.newest.sealed_at), "hash": done.newest.hash},
        "known_hash_found": done.known,
        "unsealed_records": waiting.records,
        "oldest_unsealed_s": round(age),
        "problem_count": done.problem_count,
        "problems": done.problems,
    }


def _tell_problems(done: ChainCheck) -> None:
    for problem in done.problems:
        tell(f"problem: {problem}")
    if done.problem_count > len(done.problems):
        tell(f"and {done.problem_count - len(done.problems)} more problems")


def _sentence(done: ChainCheck, waiting: Unsealed, age: float) -> str:
    lines = [f"{done.seals} seals, {done.records} sealed records: {done.problem_count or 'no'} problems"]
    lines.append(
        f"{waiting.records} records have no seal yet" + (f", the oldest for {age:.0f} s" if waiting.records else "")
    )
    if done.oldest and done.newest:
        lines.append(f"the oldest seal is {done.oldest.id}, of {time_of(done.oldest.sealed_at)}")
        lines.append(f"the newest seal is {done.newest.id}, of {time_of(done.newest.sealed_at)}, with the hash")
        lines.append(done.newest.hash)
    return "\n".join(lines)


def _line(row: AuditRow, seal: int | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": time_of(row.at, "microseconds"),
        "actor": row.actor,
        "action": row.action,
        "owner": row.owner,
        "uid": row.uid,
        "cart": row.cart_id,
        "address": row.address,
        "details": _details(row.details),
        "seal": seal,
    }


def _details(text: str | None) -> Any:
    """As it is, if tampering made it no JSON: the other records are exported all the same."""
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return text
