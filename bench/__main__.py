"""`python -m bench`, which `make bench` runs."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import laboratory, machine
from bench.api_rates import w5
from bench.big_files import w3_and_w6
from bench.children import BenchFailed
from bench.growth import w9
from bench.measure import warm
from bench.plan import FULL, QUICK, WORKLOADS
from bench.records import OURS, Record
from bench.report import report
from bench.small_files import w1_and_w7, w2, w4, w8
from bench.summary import Summary
from infra.local.process import ROOT

ABOUT = """\
Measure the cart beside its peer (pacifica-cartd 0.7.0) and beside the floor (the least that moves the same bytes), all
on this machine, in one run: MariaDB, SeaweedFS, the archive interface and everything else needed is started here.
"""
WORKS = "workloads:\n" + "\n".join(f"  {name}  {text}" for name, text in WORKLOADS.items())
NEEDS = """
needed: MariaDB (apt-get install mariadb-server). For the peer also Python 3.8 (pyenv, python3.8 or PEER_PYTHON) and
redis-server; without them its column stays empty. State and logs are kept in BENCH_HOME (.local/bench), which takes
about 15 GB of disk while W3 runs.

examples:
  python -m bench --quick                    every workload, small, once: is all well?
  python -m bench --only W1,W7 --no-peer     ours and the floor
  python -m bench --only W1 --runs 9         medians of nine
"""


STEPS: tuple[tuple[tuple[str, ...], Callable[[laboratory.Laboratory, Sequence[str]], None]], ...] = (
    (("W1", "W7"), w1_and_w7),
    (("W4",), w4),
    (("W5",), w5),
    (("W8",), w8),
    (("W9",), w9),
    (("W3", "W6"), w3_and_w6),
    (("W2",), w2),
)
FAULTS = (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError, BenchFailed)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    plan = QUICK if given.quick else FULL
    plan = replace(plan, runs=given.runs or plan.runs)
    folder = Path(os.environ.get("BENCH_HOME") or ROOT / ".local" / "bench").absolute()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: asked to end"))
    try:
        with laboratory.opened(plan, folder, _say, with_peer=not given.no_peer) as lab:
            described = _described(lab, given)
            _run(lab, given.only)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    described["took"] = f"{time.monotonic() - began:.0f} s"
    _write(given.report or _report_of(given), lab, described)
    return 0


def _report_of(given: argparse.Namespace) -> Path:
    """Only a run of everything replaces the report that is kept."""
    whole = given.only == list(WORKLOADS) and not given.quick
    return ROOT / "bench" / ("report.md" if whole else "report-quick.md" if given.quick else "report-part.md")


def _run(lab: laboratory.Laboratory, only: Sequence[str]) -> None:
    """A workload that fails is reported; the others go on."""
    if lab.peer:
        warm(lab, lab.peer)
    for names, measure in STEPS:
        if not set(names) & set(only):
            continue
        try:
            measure(lab, only)
        except FAULTS as error:
            lab.note(Record(names[0], "", OURS, 0.0, problem=f"was broken off: {type(error).__name__}: {error}"))


def _described(lab: laboratory.Laboratory, given: argparse.Namespace) -> dict[str, str]:
    said = machine.describe(lab.folder)
    said["MariaDB"] = lab.database.version()
    said["measured"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    size = "quick (small workloads)" if given.quick else "full"
    said["plan"] = f"{size}, {lab.plan.runs} runs of the short workloads, {', '.join(given.only)}"
    return said


def _write(file: Path, lab: laboratory.Laboratory, described: dict[str, str]) -> None:
    shares = [record.cost.reading.other_cpu_share for record in lab.records if record.cost]
    described["CPU share of others, most in any run"] = f"{max(shares, default=0):.2f}"
    summary = Summary(lab.records)
    text = report(summary, described, lab.no_peer)
    file.write_text(text)
    raw: dict[str, Any] = {"machine": described}
    raw["targets"] = [{**asdict(target), "reached": target.reached} for target in summary.targets()]
    raw["records"] = [asdict(record) for record in lab.records]
    file.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    _say(f"\n{text}\nwritten: {file} and {file.with_suffix('.json').name}")


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=ABOUT,
        epilog=WORKS + "\n" + NEEDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small workloads, once: under 3 minutes")
    parser.add_argument("--only", type=_workloads, default=list(WORKLOADS), metavar="W1,W3", help="these workloads")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="repetitions of the short workloads")
    parser.add_argument("--no-peer", action="store_true", help="ours and the floor alone")
    parser.add_argument(
        "--report", type=Path, help="where the report goes, JSON beside it; bench/report*.md by default"
    )
    return parser


def _workloads(text: str) -> list[str]:
    chosen = [name.strip().upper() for name in text.split(",")]
    if unknown := [name for name in chosen if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
