"""`queue`: the job queue and its dead letters."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from chalicelib import job_message
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import PROBLEM, json_option, show, show_rows, time_of
from chalicelib.admin.wording import age, numbered
from chalicelib.job_message import NewerVersion
from chalicelib.stores.waiting_jobs import JobWaitStore, WaitingJob

if TYPE_CHECKING:
    from chalicelib.admin.looking import Queues
    from chalicelib.aws.queue_view import QueueDepth

SHOWN = 50  # dead letters
LONGEST_BODY = 200  # characters of a message that this service did not send
COLUMNS = {"job": "JOB", "kind": "KIND", "cart": "CART", "attempts": "ATTEMPTS", "sent_at": "SENT", "cause": "CAUSE"}


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def queue(context: click.Context, as_json: bool) -> None:
    """Show the job queue: its depth, the jobs behind it, and dead letters with their cause.

    Dead letters are looked at, not taken away: the sweep reads and sends them again. A job without its message is in
    good hands too: the sweep sends another. With JOB_QUEUE=database there are only jobs.

    \b
    Example:
      pacifica-cartd-cmd queue

    Exits with 3 if there are dead letters, and with 1 if the queue does not answer.
    """
    if context.invoked_subcommand is not None:
        return
    operator: Operator = context.obj
    waits, queues = JobWaitStore(operator.migrated), operator.queues
    messages, dead, rows = (None, None, []) if queues is None else _messages(queues, waits)
    now, line = operator.migrated.clock(), waits.line()
    oldest = None if line.oldest_due_at is None else max(0.0, now - line.oldest_due_at)
    jobs = {**asdict(line), "oldest_due_s": oldest, "oldest_due_at": time_of(line.oldest_due_at)}
    due = f"{line.due} due" + ("" if oldest is None else f", the first for {age(oldest)}")
    text = f"{_depth(messages)}jobs     {line.held} held by workers; {due}; {line.later} due later"
    if dead:
        text += f"\ndead     {numbered(dead.visible + dead.in_flight, 'letter')}"
    depths = {"queue": messages and asdict(messages), "dead": dead and asdict(dead)}
    show(as_json, {**depths, "jobs": jobs, "dead_letters": rows}, text)
    if rows and not as_json:
        show_rows(False, rows, COLUMNS)
    if rows:
        context.exit(PROBLEM)


def _messages(queues: Queues, waits: JobWaitStore) -> tuple[QueueDepth, QueueDepth, list[dict[str, Any]]]:
    """The depth of the queue and of its dead-letter queue, and its dead letters. Raises QueueUnavailable."""
    depth, dead = queues.jobs.depth(), queues.dead.depth()
    letters = [(letter.sent_at, _job_of(letter.body), letter.body) for letter in queues.dead.peek(SHOWN)]
    jobs = waits.find({job for _, job, _ in letters if job is not None})
    return depth, dead, [_row(sent_at, job, jobs.get(job or 0), body) for sent_at, job, body in letters]


def _depth(messages: QueueDepth | None) -> str:
    if messages is None:
        return "queue    the jobs table: there are no messages, and no dead letters\n"
    return f"queue    {messages.visible} messages, {messages.in_flight} in flight, {messages.delayed} delayed\n"


def _job_of(body: str) -> int | None:
    """The job that a message was sent for; None if this release did not send it."""
    try:
        decoded = job_message.decode(body)
    except NewerVersion:
        return None
    return decoded[0] if decoded else None


def _row(sent_at: float | None, job_id: int | None, job: WaitingJob | None, body: str) -> dict[str, Any]:
    gone = "the job is over" if job_id is not None else f"not a message of this release: {body[:LONGEST_BODY]}"
    return {
        "job": job_id,
        "kind": job and job.kind,
        "cart": job and job.cart_id,
        "attempts": job and job.attempts,
        "sent_at": time_of(sent_at),
        "cause": (job.reason or "no attempt has failed: its workers died, or never got it") if job else gone,
    }
