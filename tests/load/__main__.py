"""Load test: many clients in a closed loop, each with one live cart, against four workers for some minutes.

Every client posts a cart of 1 to 20 files, polls it, downloads it, compares it with the tar that its manifest
describes, deletes it and starts over. The test fails if a client gets a status of 500 or above or loses a cart, if the
memory of a process grows, or if anything is left after the last cart is deleted. Everything runs on this machine.

In a closed loop a cart waits for the carts of all other clients: clients / throughput seconds on average. The time
limit of a cart therefore grows with the number of clients: clients / MIN_THROUGHPUT + CART_TIMEOUT seconds.
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
from tests.chaos.site import QUEUES, Site
from tests.load.client import LoadClient, Tally

WORKERS = 4
SETTINGS = {"LEASE": "30", "PULL_CONCURRENCY": "8"}
WARM_UP = 0.3  # share of the run before the first reading of memory
MAX_GROWTH = 1.25  # memory at the end over that after the warm-up
CLEANUP_TIMEOUT = 120.0
MIN_THROUGHPUT = 2.0  # carts a second; two cores shared with the clients and stand-ins reach 6 to 9
CART_TIMEOUT = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    folder = Path(options.home or tempfile.mkdtemp(prefix="load-"))
    site = Site(folder, WORKERS, SETTINGS | QUEUES[options.queue], proxied=False)
    tally, problems = Tally(), list[str]()
    try:
        memory = _run(site, options.clients, options.minutes * 60, options.seed, tally)
        problems += [*tally.lost, *(f"{count} x {what}" for what, count in tally.failures().items())]
        problems += [f"{name} grew from {a >> 20} to {b >> 20} MiB" for name, a, b in memory if b > MAX_GROWTH * a]
        problems += _leftovers(site)
        _report(tally, memory, options.minutes * 60)
    finally:
        site.close()
    print("\n".join(problems[:40]) or "no cart lost, no status of 500 or above, nothing left")
    return int(bool(problems))


def _run(site: Site, clients: int, seconds: float, seed: int, tally: Tally) -> list[tuple[str, int, int]]:
    """Run the clients; returns each process's name, its bytes of memory after the warm-up and at the end."""
    until = time.monotonic() + seconds
    cart_timeout = CART_TIMEOUT + clients / MIN_THROUGHPUT
    threads = [LoadClient(number, seed, site.url, until, cart_timeout, tally) for number in range(clients)]
    for thread in threads:
        thread.start()
    site.wait(seconds * WARM_UP)
    early = _memory(site)
    while any(thread.is_alive() for thread in threads):
        site.wait(0.5)
    late = _memory(site)
    return [(name, early[name], late[name]) for name in early]


def _memory(site: Site) -> dict[str, int]:
    """Bytes of RSS of each process with its children, by name."""
    memory = {}
    for child in [*site.workers, site.children["api"], site.children["sweeper"]]:
        process = psutil.Process(child.pid)
        family = [process, *process.children(recursive=True)]
        memory[child.name] = sum(member.memory_info().rss for member in family)
    return memory


def _leftovers(site: Site) -> list[str]:
    deadline = time.monotonic() + CLEANUP_TIMEOUT
    while time.monotonic() < deadline and [*checks.leftovers(site)]:
        site.wait(2)
    return [problem for problem in checks.leftovers(site) if "'reconcile'" not in problem]


def _report(tally: Tally, memory: list[tuple[str, int, int]], seconds: float) -> None:
    requests = sum(tally.statuses.values())
    print(f"{tally.carts} carts and {requests} requests in {seconds:.0f} s and until the last cart was finished")
    print(f"{'request':22} {'count':>7} {'p50':>8} {'p90':>8} {'p99':>8} {'longest':>8}  ms")
    for kind, seconds_taken in sorted(tally.seconds.items()):
        ranked = sorted(seconds_taken)
        figures = [ranked[min(len(ranked) - 1, int(len(ranked) * share))] * 1000 for share in (0.5, 0.9, 0.99, 1)]
        print(f"{kind:22} {len(ranked):7} " + " ".join(f"{figure:8.0f}" for figure in figures))
    print("statuses: " + ", ".join(f"{what}: {count}" for what, count in sorted(tally.statuses.items())))
    print("memory:   " + ", ".join(f"{name} {a >> 20} -> {b >> 20} MiB" for name, a, b in memory))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__, formatter_class=raw)
    parser.add_argument("--clients", type=int, default=200, help="number of clients (default 200)")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the run (default 5)")
    parser.add_argument("--queue", choices=[*QUEUES], default="sqs", help="the site's job queue (default sqs)")
    parser.add_argument("--seed", type=int, default=1, help="seed for the choice of files (default 1)")
    parser.add_argument(
        "--home", metavar="DIR", help="folder for state and logs, emptied first (default: a new temporary one)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
