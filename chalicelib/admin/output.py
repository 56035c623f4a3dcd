"""What commands print: data on stdout, for people or with `--json` for programs; messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

NAME = "pacifica-cartd-cmd"
OK, FAILED, PROBLEM = 0, 1, 3  # exit codes; click's own for wrong usage is 2
WIDE = 200  # columns of a table that no terminal shows

#: Every command that prints data takes it, as the argument `as_json`.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def tell(message: str) -> None:
    """Print a message to stderr."""
    print(_printable(message), file=sys.stderr, flush=True)


def show(as_json: bool, data: Mapping[str, Any] | Sequence[Mapping[str, Any]], sentence: str) -> None:
    """Print one result."""
    print(to_json(data) if as_json else _printable(sentence))


def show_rows(as_json: bool, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows, with `columns` (key -> heading) as a table. JSON is a list with all keys."""
    if as_json:
        print(to_json(rows))
        return
    from rich.console import Console  # here: it takes 0.1 s, and the health check runs dbchk every minute
    from rich.table import Table
    from rich.text import Text  # as it is: a note may look like markup

    table = Table(*columns.values(), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(row[key]), overflow="fold") for key in columns))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def to_json(data: Any) -> str:
    """ASCII: nothing in it steers a terminal, and any locale can print it."""
    return json.dumps(data, default=str)


def time_of(seconds: float | None, timespec: str = "seconds") -> str | None:
    """Seconds since the epoch as ISO 8601, in UTC; what is no time that a date can have, as it is."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec)
    except (OverflowError, TypeError, ValueError, OSError):
        return str(seconds)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_cell, value))
    return "" if value is None else _printable(str(value))


def _printable(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
