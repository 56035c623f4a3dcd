"""`show`: everything about one cart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click

from chalicelib.admin.cart_report import CartReport, report
from chalicelib.admin.one_cart import cart_options, one_cart
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show, time_of
from chalicelib.admin.wording import age, cart_fields, owner_of, percent, wait_fields, waiting
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_history import Happened
from chalicelib.stores.cart_search import CartSearch
from chalicelib.stores.waiting_jobs import WORKING, WaitingJob


@click.command("show")
@cart_options
@json_option
@click.pass_obj
def show_(
    operator: Operator, uid: str | None, owner: str | None, cart_id: int | None, gone: bool, as_json: bool
) -> None:
    """Show everything about one cart: what it waits for, its history, failing files, jobs and windows.

    UID is what its client calls it. Log lines have the number of its row too: `--cart 7`.

    \b
    Examples:
      pacifica-cartd-cmd show mydata --owner ana
      pacifica-cartd-cmd show --cart 7 --json

    Exits with 1 if there is no such cart, or if several owners have one of this uid.
    """
    database = operator.migrated
    found = report(database, one_cart(CartSearch(database), uid, owner, cart_id, gone))
    show(as_json, _fields(found), "\n".join(_lines(found)))


def _fields(found: CartReport) -> dict[str, Any]:
    return {
        **cart_fields(found.cart),
        **wait_fields(found.wait if found.unfinished else None),
        "files_on_tape": found.counts.on_tape,
        "files_bundled": found.counts.bundled,
        "seconds_left": found.seconds_left,
        "warnings": list(found.warnings),
        "history": [history_fields(row) for row in found.history],
        "failing_files": [asdict(file) for file in found.files],
        "jobs": [_job_fields(job) for job in found.jobs],
        "windows": dict(found.windows),
        "uploads": [_timed(asdict(upload), "created_at", "url_until", "closed_at") for upload in found.uploads],
        "shares": found.shares,
        "notifications": [asdict(one) for one in found.notifications],
    }


def history_fields(row: Happened) -> dict[str, Any]:
    return {"at": time_of(row.at, "milliseconds"), "event": row.event, "cause": row.cause, "process": row.process}


def history_line(row: Happened) -> str:
    cause = f": {row.cause}" if row.cause else ""
    process = f" ({row.process})" if row.process else ""
    return f"{time_of(row.at)} {row.event}{cause}{process}"


def _job_fields(job: WaitingJob) -> dict[str, Any]:
    fields = {**asdict(job), "waits_for": job.waits_for or None}
    return _timed(fields, "since", "due_at")


def _timed(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**fields, **{name: time_of(fields[name]) for name in names}}


def _lines(found: CartReport) -> Iterator[str]:
    cart = found.cart
    yield f"cart {cart.id}: {cart.uid} of {owner_of(cart.owner)}" + (
        f", request {cart.request}" if cart.request else ""
    )
    yield f"state    {cart.state}{'' if cart.live else ', deleted'}{f': {cart.message}' if cart.message else ''}"
    yield f"posted   {time_of(cart.created_at)}, {age(found.now - cart.created_at)} ago"
    if found.unfinished:
        yield f"waits    {waiting(found.wait, found.now)}{_reason(found)}"
    yield from _progress(found)
    sections = {
        "windows": [", ".join(f"{number} {state}" for state, number in sorted(found.windows.items()))],
        "jobs": [_job_line(job, found.now) for job in found.jobs],
        "files": [f"{file.path} ({file.archive_id}): {_trouble(file.error, file.reason)}" for file in found.files],
        "uploads": [f"{one.id}, {'read' if one.closed_at else 'not read yet'}" for one in found.uploads],
        "shares": [str(found.shares)] if found.shares else [],
        "told": [f"{one.channel} {one.target}: {one.state} {one.last_error}".rstrip() for one in found.notifications],
        "warned": list(found.warnings),
        "history": [history_line(row) for row in found.history],
    }
    for name, lines in sections.items():
        for number, line in enumerate(filter(None, lines)):
            yield f"{name if not number else '':<9}{line}"


def _reason(found: CartReport) -> str:
    return f": {found.wait.reason}" if found.wait and found.wait.reason else ""


def _trouble(error: str, reason: str) -> str:
    return error or f"retried: {reason}"


def _progress(found: CartReport) -> Iterator[str]:
    cart, counts = found.cart, found.counts
    done = percent(cart.bytes_staged, cart.bytes_total)
    tape = f", {counts.on_tape} on tape" if counts.on_tape else ""
    yield (
        f"staged   {cart.files_staged} of {cart.files_total} files{tape}, "
        f"{readable_size(cart.bytes_staged)} of {readable_size(cart.bytes_total)} {done}".rstrip()
    )
    left = "" if found.seconds_left is None else f", about {age(found.seconds_left)} left"
    yield f"bundle   {readable_size(cart.bundle_bytes)} of {readable_size(cart.bundle_size)}{left}"


def _job_line(job: WaitingJob, now: float) -> str:
    doing = "in work" if job.waits_for == WORKING else f"waits for {job.waits_for}, {age(now - job.since)}"
    window = f" {job.window}" if job.kind == "window" else ""
    attempts = f", attempt {job.attempts}" if job.attempts > 1 else ""
    return f"{job.id}: {job.kind}{window} {doing}{attempts}{f': {job.reason}' if job.reason else ''}"
