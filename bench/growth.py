"""W9: how the cost of a cart grows with its number of files, which are synthetic files of the simulator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from bench.files import HASH, File
from bench.measure import delete, make_carts, warm_cart
from bench.rig import Rig
from infra.local.archive_simulator_files import SyntheticFile

SIZE = 1_024


def w9(rig: Rig, _only: Sequence[str]) -> None:
    """Each size gets a new system, because rows and files that a cart leaves behind would slow down the next."""
    for count in rig.plan.growth_files:
        label = rig.label()
        with warm_cart(rig, rig.simulator) as system:
            files = [_file(label, number) for number in range(count)]
            record, finished = make_carts(rig, system, rig.simulator, "W9", [files])
            per_file = {"post": record.parts["post"], "ms per file": 1000 * record.figure / count}
            rig.note(replace(record, variant=f"{count:,} files", parts=per_file))
            delete(system, finished)


def _file(label: str, number: int) -> File:
    archive_id = f"gen-{SIZE}-{label}-{number}"
    hasher = hashlib.new(HASH, usedforsecurity=False)
    for chunk in SyntheticFile(archive_id, SIZE).chunks(0, SIZE):
        hasher.update(chunk)
    return File(archive_id, f"d{number // 100:04}/f{number:06}.bin", SIZE, hasher.hexdigest())
