"""`status`: how the site is doing, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click

from chalicelib.admin.bounded import TookTooLong, within
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import FAILED, PROBLEM, json_option, show, tell, time_of
from chalicelib.admin.site_status import SiteStatus, StatusPolicy, gather, last_sweep, problems_of
from chalicelib.admin.wording import age, cart_fields, longest, numbered, owner_of, wait_fields, waiting
from chalicelib.errors import CartError
from chalicelib.readable_size import readable_size
from chalicelib.stores.waiting_jobs import WORKING
from chalicelib.stores.worker_states import WorkerState

LONGEST = 20.0  # seconds until the database is said to hang
SHOWN = 8  # workers


@click.command()
@json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show how the site is doing, on one screen: carts, jobs, space, queue, workers, pauses.

    \b
    Example:
      pacifica-cartd-cmd status || echo "somebody should look"

    \b
    Exits with 3 if something needs a person, which a line that begins with `problem:` names:
      unfinished carts, and no worker was seen for 60 s, or no sweep ran for 3 minutes
      a worker that hangs
      the queue does not answer, or has dead letters
      jobs that have waited for the archive, the store, the queue, the database or the
      policy service for more than 5 minutes
    """
    operator: Operator = context.obj
    with suppress(CartError):  # to build the clients may take seconds, which are not the queue's; errors come again
        _ = operator.queues
    try:
        found = within(LONGEST, lambda: gather(operator.settings, operator.migrated, lambda: operator.queues))
    except TookTooLong:
        tell(f"the database has not answered for {LONGEST:.0f} s: `doctor` checks what else is wrong")
        context.exit(FAILED)
    problems = problems_of(found)
    show(as_json, _fields(found, problems), "\n".join(_lines(found, problems)))
    if problems:
        context.exit(PROBLEM)


def _fields(found: SiteStatus, problems: list[str]) -> dict[str, Any]:
    oldest = found.oldest and {**cart_fields(found.oldest), **wait_fields(found.oldest_waits)}
    return {
        "at": time_of(found.now),
        "carts": {row.state: row.carts for row in found.states},
        "oldest_unfinished": oldest,
        "jobs": [{**asdict(row), "since": time_of(row.since)} for row in found.jobs],
        "space": {**asdict(found.space), "limit": found.limit or None},
        "queue": found.queue.jobs and asdict(found.queue.jobs),
        "dead_letters": found.queue.dead and found.queue.dead.visible,
        "workers": [_worker(worker) for worker in found.workers],
        "pauses": [{**asdict(pause), "since": time_of(pause.since)} for pause in found.pauses],
        "schema": found.version,
        "swept": time_of(found.swept_at),
        "problems": problems,
    }


def _worker(worker: WorkerState) -> dict[str, Any]:
    times = ("started_at", "seen_at", "stopped_at", "step_at")
    return {**asdict(worker), **{name: time_of(getattr(worker, name)) for name in times}}


def _lines(found: SiteStatus, problems: list[str]) -> Iterator[str]:
    carts = ", ".join(f"{row.carts} {row.state}" for row in sorted(found.states, key=lambda row: row.state))
    yield f"carts    {carts or 'none'}"
    if found.oldest:
        cart, waits = found.oldest, waiting(found.oldest_waits, found.now)
        yield f"oldest   {cart.uid} of {owner_of(cart.owner)}: posted {age(found.now - cart.created_at)} ago, {waits}"
        if found.oldest_waits and found.oldest_waits.reason:
            yield f"         {found.oldest_waits.reason}"
    yield from _headed("jobs", [_jobs(row.kind, row.waits_for, row.jobs, found.now - row.since) for row in found.jobs])
    yield f"space    {_space(found)}"
    yield f"queue    {_queue(found)}"
    yield from _headed("workers", _workers(found))
    yield from _headed(
        "paused", [f"{one.name} for {age(found.now - one.since)}, by {one.actor}: {one.why}" for one in found.pauses]
    )
    yield f"sweep    {last_sweep(found.swept_at, found.now)}"
    yield f"tables   version {found.version}"
    yield from (f"problem: {problem}" for problem in problems)


def _headed(name: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines or ["none"]):
        yield f"{name if not number else '':<9}{line}"


def _jobs(kind: str, waits_for: str, jobs: int, seconds: float) -> str:
    doing = "in work" if waits_for == WORKING else f"waiting for {waits_for}, {longest(jobs, seconds)}"
    return f"{numbered(jobs, f'{kind} job')} {doing}"


def _space(found: SiteStatus) -> str:
    space = found.space
    limit = f" of {readable_size(found.limit)}" if found.limit else ""
    line = f"{readable_size(space.used)}{limit} reserved, {readable_size(space.staged)} staged"
    waits = f"; {space.waiting_windows} windows wait for {readable_size(space.waiting_bytes)}"
    return line + (waits if space.waiting_windows else "")


def _queue(found: SiteStatus) -> str:
    jobs, dead = found.queue.jobs, found.queue.dead
    if jobs is None or dead is None:
        return "no answer" if found.queue.problem else "the jobs table"
    letters = numbered(dead.visible, "dead letter")
    return f"{jobs.visible} messages, {jobs.in_flight} in flight, {jobs.delayed} delayed; {letters}"


def _workers(found: SiteStatus) -> list[str]:
    seen = found.seen(StatusPolicy())
    lines = [_worker_line(worker, found.now) for worker in seen[:SHOWN]]
    return lines + ([f"and {len(seen) - SHOWN} more"] if len(seen) > SHOWN else [])


def _worker_line(worker: WorkerState, now: float) -> str:
    state = "HANGS in" if worker.hung else f"{numbered(len(worker.held), 'job')};"
    step = f"{state} {worker.step or 'no step yet'}"
    since = "" if worker.step_at is None else f" ({age(now - worker.step_at)} ago)"
    revision = f" {worker.revision[:12]}" if worker.revision else ""
    return f"{worker.name}{revision}, seen {age(now - worker.seen_at)} ago: {step}{since}"
