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

from bench import machine
from bench.api_rates import w5
from bench.big_files import w3_and_w6
from bench.flood import w11
from bench.growth import w9
from bench.many_carts import w10
from bench.measure import warm_up
from bench.plan import FULL, QUICK, WORKLOADS
from bench.processes import BenchFailed
from bench.programs import imports, queue, w12
from bench.records import OURS, Record
from bench.report import report
from bench.rig import Rig, opened
from bench.small_files import w1_and_w7, w2, w4, w8
from bench.summary import Summary
from infra.local.process import ROOT

ABOUT = """\
Compare the cart with its peer (pacifica-cartd 0.7.0) and with the floor, the least work that moves the same bytes.
A run starts MariaDB, SeaweedFS, the archive interface and everything else it needs, and measures all sides here.
"""
WORKLOAD_HELP = "workloads:\n" + "\n".join(f"  {name}  {text}" for name, text in WORKLOADS.items())
REQUIREMENTS_HELP = """
requirements: MariaDB (apt-get install mariadb-server). The peer also needs Python 3.8 (pyenv, python3.8 or PEER_PYTHON)
and redis-server; without them its column stays empty. BENCH_HOME (.local/bench) holds state and logs, about 15 GB while
W3 runs.

examples:
  python -m bench --quick                    smoke test: every workload, small, once
  python -m bench --only W1,W7 --no-peer     the cart and the floor, two workloads
  python -m bench --only W1 --runs 9         medians of nine runs
"""


STEPS: tuple[tuple[tuple[str, ...], Callable[[Rig, Sequence[str]], None]], ...] = (
    (("W1", "W7"), w1_and_w7),
    (("W4",), w4),
    (("W5",), w5),
    (("W8",), w8),
    (("W9",), w9),
    (("W10",), w10),
    (("W11",), w11),
    (("W12",), w12),
    (("queue",), queue),
    (("import",), imports),
    (("W3", "W6"), w3_and_w6),
    (("W2",), w2),
)
FAILURES = (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError, BenchFailed)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else FULL
    plan = replace(plan, runs=options.runs or plan.runs)
    folder = Path(os.environ.get("BENCH_HOME") or ROOT / ".local" / "bench").absolute()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    try:
        with opened(plan, folder, _say, with_peer=not options.no_peer) as rig:
            context = _context(rig, options)
            _run(rig, options.only)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    context["took"] = f"{time.monotonic() - began:.0f} s"
    _write(options.report or _default_report(options), rig, context)
    return 0


def _default_report(options: argparse.Namespace) -> Path:
    """Only a full run of every workload replaces the committed report."""
    whole = options.only == list(WORKLOADS) and not options.quick
    return ROOT / "bench" / ("report.md" if whole else "report-quick.md" if options.quick else "report-part.md")


def _run(rig: Rig, only: Sequence[str]) -> None:
    """Record a workload that fails as a problem and continue with the others."""
    if rig.peer:
        warm_up(rig, rig.peer)
    for names, measure in STEPS:
        if not set(names) & set(only):
            continue
        try:
            measure(rig, only)
        except FAILURES as error:
            rig.note(Record(names[0], "", OURS, 0.0, problem=f"aborted: {type(error).__name__}: {error}"))


def _context(rig: Rig, options: argparse.Namespace) -> dict[str, str]:
    """The first table of the report: machine, versions, date and plan."""
    context = machine.describe(rig.folder)
    context["MariaDB"] = rig.database.version()
    context["measured"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    size = "quick (small workloads)" if options.quick else "full"
    context["plan"] = f"{size}, {rig.plan.runs} runs of the short workloads, {', '.join(options.only)}"
    return context


def _write(file: Path, rig: Rig, context: dict[str, str]) -> None:
    shares = [record.cost.reading.other_cpu_share for record in rig.records if record.cost]
    context["CPU share of other processes, maximum of all runs"] = f"{max(shares, default=0):.2f}"
    summary = Summary(rig.records)
    text = report(summary, context, rig.no_peer)
    file.write_text(text)
    raw: dict[str, Any] = {"machine": context}
    raw["targets"] = [{**asdict(target), "reached": target.reached} for target in summary.targets()]
    raw["records"] = [asdict(record) for record in rig.records]
    file.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    _say(f"\n{text}\nwritten: {file} and {file.with_suffix('.json').name}")


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=ABOUT,
        epilog=WORKLOAD_HELP + "\n" + REQUIREMENTS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="run every workload once, small: under 3 minutes")
    parser.add_argument(
        "--only", type=_workloads, default=list(WORKLOADS), metavar="W1,W3", help="run only these workloads"
    )
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="repeat the short workloads N times")
    parser.add_argument("--no-peer", action="store_true", help="measure only the cart and the floor")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the report here, with JSON beside it (bench/report*.md)"
    )
    return parser


def _workloads(text: str) -> list[str]:
    spelled = {name.upper(): name for name in WORKLOADS}
    chosen = [spelled.get(name.strip().upper(), name.strip()) for name in text.split(",")]
    if unknown := [name for name in chosen if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"unknown workload: {', '.join(unknown)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
