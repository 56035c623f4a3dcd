"""Load: many clients in a closed loop, each with one live cart, against four workers for some minutes.

Every client posts a cart of 1 to 20 files, polls it, downloads it, compares it with the tar its manifest says, deletes
it and begins again. It must see no answer of 500 and above and lose no cart; the processes' memory must stay flat; and
when the last cart is deleted, nothing may be left of any. All of it is on this machine's loopback.

In a closed loop a cart waits for those of all other clients, clients / throughput seconds on average, so how long one
may take depends on how many there are: as long as SLOWEST carts a second allow, and PATIENCE more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.chaos import checks
from tests.chaos.site import Site
from tests.load.client import LoadClient, Tally

WORKERS = 4
SETTINGS = {"LEASE": "30", "PULL_CONCURRENCY": "8"}
SETTLED = 0.3  # share of the run after which memory is taken as what it was at first
GROWTH = 1.25  # what it may be at the end
CLEAN_UP = 120.0
SLOWEST = 2.0  # carts a second; two cores shared with clients and stand-ins make 6 to 9
PATIENCE = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    site = Site(Path(given.home or tempfile.mkdtemp(prefix="load-")), WORKERS, SETTINGS, proxied=False)
    tally, problems = Tally(), list[str]()
    try:
        memory = _run(site, given.clients, given.minutes * 60, given.seed, tally)
        problems += [*tally.lost, *(f"{count} answers {what}" for what, count in tally.failures().items())]
        problems += [f"{name} grew from {a >> 20} to {b >> 20} MiB" for name, a, b in memory if b > GROWTH * a]
        problems += _left(site)
        _report(tally, memory, given.minutes * 60)
    finally:
        site.close()
    print("\n".join(problems[:40]) or "no cart lost, no answer of 500 and above, nothing left")
    return int(bool(problems))


def _run(site: Site, clients: int, seconds: float, seed: int, tally: Tally) -> list[tuple[str, int, int]]:
    """The memory of each process of the product, early and at the end."""
    until = time.monotonic() + seconds
    patience = PATIENCE + clients / SLOWEST
    threads = [LoadClient(number, seed, site.url, until, patience, tally) for number in range(clients)]
    for thread in threads:
        thread.start()
    site.wait(seconds * SETTLED)
    early = _memory(site)
    while any(thread.is_alive() for thread in threads):
        site.wait(0.5)
    late = _memory(site)
    return [(name, early[name], late[name]) for name in early]


def _memory(site: Site) -> dict[str, int]:
    """RSS of each process and its children."""
    found = {}
    for child in [*site.workers, site.children["api"], site.children["sweeper"]]:
        process = psutil.Process(child.pid)
        found[child.name] = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    return found


def _left(site: Site) -> list[str]:
    deadline = time.monotonic() + CLEAN_UP
    while time.monotonic() < deadline and [*checks.nothing_left(site)]:
        site.wait(2)
    return [problem for problem in checks.nothing_left(site) if "'reconcile'" not in problem]


def _report(tally: Tally, memory: list[tuple[str, int, int]], seconds: float) -> None:
    asked = sum(tally.statuses.values())
    print(f"{tally.carts} carts and {asked} requests in {seconds:.0f} s, and until the last cart had ended")
    print(f"{'request':22} {'count':>7} {'p50':>8} {'p90':>8} {'p99':>8} {'longest':>8}  ms")
    for kind, taken in sorted(tally.seconds.items()):
        ranked = sorted(taken)
        shown = [ranked[min(len(ranked) - 1, int(len(ranked) * part))] * 1000 for part in (0.5, 0.9, 0.99, 1)]
        print(f"{kind:22} {len(ranked):7} " + " ".join(f"{value:8.0f}" for value in shown))
    print("answers: " + ", ".join(f"{what}: {count}" for what, count in sorted(tally.statuses.items())))
    print("memory:  " + ", ".join(f"{name} {a >> 20} -> {b >> 20} MiB" for name, a, b in memory))


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__, formatter_class=shape)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", metavar="DIR", help="where state and logs go, emptied first (a new temporary folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
