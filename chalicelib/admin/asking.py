"""Asks before what cannot be undone, and says how far a long act has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from chalicelib.admin.output import tell

EVERY = 2.0  # seconds between two lines of progress

#: Every command that asks takes it, as the argument `yes`.
yes_option = click.option("--yes", is_flag=True, help="Do not ask; a must without a terminal.")


def confirm(question: str, yes: bool) -> None:
    """Raises Abort for a no, and UsageError where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: give --yes.")
    click.confirm(question, abort=True, err=True)


class Progress:
    """Prints a line on stderr at most every EVERY seconds, and none for what is done sooner."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next = monotonic() + EVERY

    def say(self, message: str) -> None:
        if (now := self._monotonic()) >= self._next:
            self._next = now + EVERY
            tell(message)
