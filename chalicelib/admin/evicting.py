"""`cache evict`: frees staged files."""

from __future__ import annotations

import time
from typing import Any

import click

from chalicelib.admin.asking import Progress, confirm, yes_option
from chalicelib.admin.cache import cache
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import FAILED, json_option, show, tell
from chalicelib.config.parsers import size
from chalicelib.operating.evict import Evict, Wanted

LOOKED_EVERY = 0.25  # seconds
LONGEST = 600.0  # seconds that the command waits for a worker


class Size(click.ParamType[int]):
    """Bytes, or with a unit as in the settings: `500M`."""

    name = "BYTES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(size(str(value)))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


@cache.command()
@click.argument("archive_ids", nargs=-1, metavar="[ID...]")
@click.option("--least-used", type=Size(), help="Files used longest ago, until that many bytes are free: '50G'.")
@click.option("--all-unused", is_flag=True, help="All files that no cart needs now.")
@click.option("--no-wait", is_flag=True, help="Do not wait until a worker has done it.")
@yes_option
@json_option
@click.pass_context
def evict(
    context: click.Context,
    archive_ids: tuple[str, ...],
    least_used: int | None,
    all_unused: bool,
    no_wait: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove staged files from the volume that no cart needs now.

    ID are ids of the archive's files. A file that a cart needs stays, also if that begins while this runs. Workers do
    it; nothing is lost: a cart that needs a file later pulls it again.
    """
    if sum((bool(archive_ids), least_used is not None, all_unused)) != 1:
        raise click.UsageError("Give ids, or --least-used, or --all-unused.")
    confirm("Remove these files from the volume?", yes)
    operator: Operator = context.obj
    evicting = operator.operating.evict
    marked = evicting.run(operator.caller(), Wanted(archive_ids, least_used))
    waited = not marked or no_wait or _wait(evicting)
    left, left_bytes = evicting.left()
    data = {"chosen": marked, "left": left, "left_bytes": left_bytes}
    show(as_json, data, f"{marked} files were chosen, {left} of all that were chosen are still there")
    if not waited:
        tell(f"no worker has finished this within {LONGEST:.0f} s; it will be done when one can")
        context.exit(FAILED)


def _wait(evicting: Evict) -> bool:
    progress = Progress()
    return evicting.wait(
        int(LONGEST / LOOKED_EVERY), lambda: time.sleep(LOOKED_EVERY), lambda left: progress.say(f"{left} files left")
    )
