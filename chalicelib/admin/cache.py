"""`cache`: the files that are staged on the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show, show_rows, tell, time_of
from chalicelib.admin.wording import age
from chalicelib.db.snapshot import snapshot
from chalicelib.readable_size import readable_size
from chalicelib.stores.site_figures import SiteFigures
from chalicelib.stores.staged_list import ListedFile, StagedList

COLUMNS = {
    "archive_id": "ARCHIVE ID",
    "state": "STATE",
    "bytes": "SIZE",
    "pins": "PINS",
    "used": "LAST USED",
    "carts": "NEEDED BY",
}
MOST = 1000


@click.group()
def cache() -> None:
    """Look at the files that are staged on the volume."""


@cache.command("list")
@click.option("--biggest", "order", flag_value="biggest", default=True, help="The biggest first; this is the default.")
@click.option("--least-used", "order", flag_value="least-used", help="Those that are evicted next, if room is needed.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="Files at most.")
@json_option
@click.pass_obj
def list_(operator: Operator, order: str, limit: int, as_json: bool) -> None:
    """List staged files: their size, how many windows need them, when they were used last, and by which carts.

    A file with pins is needed by that many windows and is not evicted. NEEDED BY names the uids of unfinished carts;
    the windows searched for them are 1,000 at most.

    \b
    Example:
      pacifica-cartd-cmd cache list --least-used --limit 5
    """
    database = operator.migrated
    files = StagedList(database)
    with snapshot(database):
        found = files.biggest(limit) if order == "biggest" else files.least_used(limit)
        needed = files.needed_by([file.archive_id for file in found if file.pins])
        totals, space = files.totals(), SiteFigures(database).space()
        now = database.clock()
    carts = [(file, needed.get(file.archive_id, [])) for file in found]
    if as_json:
        figures = {"totals": asdict(totals), "space": asdict(space)}
        show(True, {"files": [_fields(file, needing) for file, needing in carts], **figures}, "")
        return
    show_rows(False, [_row(file, needing, now) for file, needing in carts], COLUMNS)
    tell(
        f"{totals.files} files, {readable_size(totals.size)}; windows need {totals.needed_files} of them, "
        f"{readable_size(totals.needed_size)}; {readable_size(space.used)} are reserved on the volume"
    )


def _fields(file: ListedFile, carts: Sequence[tuple[int, str]]) -> dict[str, Any]:
    used_at = time_of(file.used_at) if file.used_at > 0 else None
    return {**asdict(file), "used_at": used_at, "carts": [{"id": cart_id, "uid": uid} for cart_id, uid in carts]}


def _row(file: ListedFile, carts: Sequence[tuple[int, str]], now: float) -> dict[str, Any]:
    return {
        **asdict(file),
        "bytes": readable_size(file.size),
        "used": _used(file.used_at, now),
        "carts": [uid for _, uid in carts],
    }


def _used(used_at: float, now: float) -> str:
    if used_at < 0:
        return "to be evicted"
    return f"{age(now - used_at)} ago" if used_at else ""
