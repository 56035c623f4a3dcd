"""W12: reservations a second of many workers on a volume whose every call takes 5 ms, and what waiting windows cost.

`python -m bench.reservations`: 24 workers, each a thread with its own view of the disk, in 4 processes, on a MariaDB
server of its own. The volume is full of files that no window needs, so each reservation evicts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import psutil

from bench import mariadb
from bench.reservation_site import FILE, FILES, WorkerSite, seed, seed_waiting
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database

PROCESSES = 4
PORT = 23306


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.reservations", description=__doc__)
    parser.add_argument("--workers", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--delay", type=float, default=0.005, help="seconds of each call to the file system")
    parser.add_argument("--waiting", type=int, default=1000, help="windows that wait for space")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="reservations-") as folder:
        root = Path(folder)
        with mariadb.started(root / "db", PORT, root / "mariadb.log") as server:
            found: dict[str, Any] = {}
            for name, evicting in (("evicting", True), ("free space", False)):
                server.recreate("reservations")
                found[name] = _rate(server, root, options, evicting=evicting)
            found["waiting"] = _waiting(server, root, options)
    print(json.dumps(found, indent=2))
    return 0


def _rate(server: mariadb.Server, root: Path, options: Any, *, evicting: bool) -> dict[str, float]:
    """Reservations a second, how long one takes, and the CPU of a whole turn: reserve, stage nothing, release."""
    variables = server.variables("reservations")
    database = Database(load(variables))
    schema.sync(database)
    windows = max(20, int(options.seconds * 8))
    limit = options.workers * 4 * FILES * FILE * (1 if evicting else windows)
    carts = seed(database, options.workers, windows, idle=limit // FILE if evicting else 0)
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    shares = [carts[number::PROCESSES] for number in range(PROCESSES)]
    start = context.Barrier(len(shares) + 1)
    rest = (str(root / "volume"), limit, options.delay, options.seconds)
    processes = [context.Process(target=_work, args=(variables, share, *rest, start, results)) for share in shares]
    for process in processes:
        process.start()
    start.wait()
    before = _cpu(server.pid)
    found = [results.get() for _ in processes]
    cpu = _cpu(server.pid) - before
    for process in processes:
        process.join()
    database.close()
    times = sorted(seconds for share, _ in found for seconds in share)
    workers = sum(seconds for _, seconds in found)
    p99 = times[int(len(times) * 0.99)]
    return {
        "reservations_per_s": round(len(times) / options.seconds, 1),
        "median_ms": round(1000 * statistics.median(times), 1),
        "p99_ms": round(1000 * p99, 1),
        "workers_cpu_ms": round(1000 * workers / len(times), 2),
        "database_cpu_ms": round(1000 * cpu / len(times), 2),
    }


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _work(
    variables: Mapping[str, str],
    carts: Sequence[int],
    volume: str,
    limit: int,
    delay: float,
    seconds: float,
    start: Any,
    results: Any,
) -> None:
    """A process: a thread for each of its workers, each with a cart of its own."""
    times: list[float] = []
    sites = [WorkerSite(variables, Path(volume), limit, delay) for _ in carts]
    start.wait()
    until, cpu = time.monotonic() + seconds, time.process_time()
    threads = [
        threading.Thread(target=_reserve_until, args=(site, cart, until, times))
        for site, cart in zip(sites, carts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((times, time.process_time() - cpu))


def _reserve_until(site: WorkerSite, cart_id: int, until: float, times: list[float]) -> None:
    for lease, work in site.windows(cart_id):
        began = time.monotonic()
        if began > until:
            return
        site.reserve(lease, work)
        times.append(time.monotonic() - began)
        site.stage_and_release(lease, work)


def _waiting(server: mariadb.Server, root: Path, options: Any) -> dict[str, float]:
    """Statements of an idle site, and the time to wake who is next, with many windows that wait."""
    server.recreate("reservations")
    variables = server.variables("reservations")
    database = Database(load(variables))
    schema.sync(database)
    limit = 8 * FILES * FILE
    site = WorkerSite(variables, root / "volume", limit, delay=0)
    tries = seed_waiting(site, database, options.waiting)
    before, began = server.questions(), time.monotonic()
    time.sleep(3)
    idle = (server.questions() - before) / (time.monotonic() - began)
    began = time.monotonic()
    for _ in range(20):
        site.waker.wake("")
    wake = (time.monotonic() - began) / 20
    database.close()
    site.close()
    return {
        "windows": options.waiting,
        "due_within_5_min": tries,
        "statements_per_s": round(idle, 2),
        "wake_ms": round(1000 * wake, 1),
    }


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(cast(Sequence[str], sys.argv[1:])))
