"""`doctor`: is everything that the service depends on well, and what to do if not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

import click

from chalicelib.admin.checks import LIMIT, Check, Finding, Problem, run_checks
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import PROBLEM, json_option, show
from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError

BAD_SETTING = "Correct the variable; docs/settings.md explains each. The other checks need good settings."


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 60),
    default=LIMIT,
    show_default=True,
    help="Seconds that each check may take; they run side by side.",
)
@json_option
@click.pass_context
def doctor(context: click.Context, timeout: float, as_json: bool) -> None:
    """Check everything that the service depends on; say what is wrong and what to do.

    One line each: settings, database, schema, workers, waits, queue, dead letters, bucket, download URL, lifecycle,
    clock, signing role, archive, and the volume where VOLUME_PATH is set. Run it where a worker or the API runs, with
    the same variables. It writes and deletes an object below `doctor/` in the bucket and a file on the volume, and
    nothing else.

    \b
    Example:
      pacifica-cartd-cmd doctor --json | jq -r '.[] | select(.ok | not) | .name'

    Exits with 3 if a check failed.
    """
    operator: Operator = context.obj
    findings = diagnose(operator, timeout)
    show(as_json, [asdict(finding) for finding in findings], "\n".join(map(_line, findings)))
    if not all(finding.ok for finding in findings):
        context.exit(PROBLEM)


def diagnose(operator: Operator, timeout: float) -> Sequence[Finding]:
    """What the checks found; bad settings are findings too."""
    try:
        checks = list(_checks(operator))
    except SettingsError as error:
        return [Finding("settings", False, problem, BAD_SETTING, 0.0) for problem in error.problems]
    return run_checks(checks, timeout)


def _checks(operator: Operator) -> Iterator[Check]:
    from chalicelib.admin.check_archive import archive_checks
    from chalicelib.admin.check_database import database_checks
    from chalicelib.admin.check_settings import settings_checks
    from chalicelib.admin.check_volume import volume_checks

    settings = operator.settings
    yield from settings_checks(operator.environ)
    yield from database_checks(settings)
    yield from _aws_checks(settings)
    yield from archive_checks(settings)
    yield from volume_checks(settings)


def _aws_checks(settings: Settings) -> Iterator[Check]:
    """The clients are built before the checks begin: on a small machine that takes seconds."""
    from chalicelib.admin.check_queue import queue_checks, wake_checks
    from chalicelib.admin.check_store import store_checks
    from chalicelib.admin.looking import queues_of, store_of
    from chalicelib.aws.clients import aws_session
    from chalicelib.waking.wake_directory import WakeDirectory
    from chalicelib.wiring_queue import wake_directory

    try:
        session = aws_session()
    except SettingsError as error:
        yield Check("region", partial(_raise, Problem("; ".join(error.problems), BAD_SETTING)), BAD_SETTING)
        return
    if settings.queue_is_database:
        yield from wake_checks(WakeDirectory(wake_directory(settings)))
    else:
        yield from queue_checks(queues_of(settings, session))
    yield from store_checks(store_of(settings, session), settings)


def _raise(problem: Problem) -> str:
    raise problem


def _line(finding: Finding) -> str:
    if finding.ok:
        return f"{finding.name:<14}ok      {finding.says}"
    return f"{finding.name:<14}FAILED  {finding.says}\n{'':<22}-> {finding.do}"
