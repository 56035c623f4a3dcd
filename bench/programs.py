"""Measurements that are programs of their own: each prints one JSON object, whose numbers become records."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.processes import BenchFailed
from bench.records import OURS, Record
from bench.rig import Rig
from infra.local.process import ROOT

LIMIT = 300.0  # seconds
#: By workload: the module, and the unit of its figures where all have one.
PROGRAMS = {"W12": ("bench.reservations", ""), "queue": ("bench.queue_rate", ""), "import": ("bench.cold_import", "ms")}


def w12(rig: Rig, _only: Sequence[str]) -> None:
    _run(rig, "W12")


def queue(rig: Rig, _only: Sequence[str]) -> None:
    _run(rig, "queue")


def imports(rig: Rig, _only: Sequence[str]) -> None:
    _run(rig, "import")


def output_of(module: str, *arguments: str) -> dict[str, Any]:
    """What a program prints. Raises BenchFailed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode:
        raise BenchFailed(f"{module} failed: {done.stderr[-500:]}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def figures(printed: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of an object, also of those in it, with their names."""
    for name, value in printed.items():
        if isinstance(value, Mapping):
            yield from figures(value, f"{before}{name} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{name}", float(value)


def _run(rig: Rig, workload: str) -> None:
    module, unit = PROGRAMS[workload]
    if not (ROOT / Path(*module.split("."))).with_suffix(".py").exists():
        raise BenchFailed(f"there is no {module}")
    rig.settle()
    for name, value in figures(output_of(module)):
        rig.note(Record(workload, name, OURS, value, unit))
