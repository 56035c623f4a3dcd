"""W9: how the cost of a cart grows with the number of its files. They are the simulator's own and need no disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from bench.files import HASH, File
from bench.laboratory import Laboratory
from bench.measure import delete, make_carts, ours_warm
from infra.local.archive_simulator_files import SyntheticFile

SIZE = 1_024


def w9(lab: Laboratory, _wanted: Sequence[str]) -> None:
    """A system of its own for each size: what a cart leaves behind would cost the next."""
    for count in lab.plan.growth_files:
        label = lab.label()
        with ours_warm(lab, lab.simulator) as system:
            files = [_file(label, number) for number in range(count)]
            record, ended = make_carts(lab, system, lab.simulator, "W9", [files])
            per_file = {"post": record.parts["post"], "ms per file": 1000 * record.figure / count}
            lab.note(replace(record, variant=f"{count:,} files", parts=per_file))
            delete(system, ended)


def _file(label: str, number: int) -> File:
    archive_id = f"gen-{SIZE}-{label}-{number}"
    hasher = hashlib.new(HASH, usedforsecurity=False)
    for chunk in SyntheticFile(archive_id, SIZE).chunks(0, SIZE):
        hasher.update(chunk)
    return File(archive_id, f"d{number // 100:04}/f{number:06}.bin", SIZE, hasher.hexdigest())
