"""The jobs table as the queue, on MariaDB: claims and settles a second, how soon a job begins, what idle workers ask.

`python -m bench.queue_rate` prints one JSON object. Two processes claim and finish jobs as a worker does, four places
each. Then 24 idle workers, in four processes, wait for single jobs, committed one at a time by another process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import psutil

from bench import mariadb
from chalicelib.config.settings import Settings, load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import NO_CART, JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.wiring_queue import database_queue_of
from infra.local.ports import keep_ports
from workers.runtime.consumer import Consumer
from workers.runtime.due_source import DueSource
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import Handler, JobRunner
from workers.runtime.lease import Lease
from workers.runtime.next_job import NextJob
from workers.runtime.outcomes import Done, Outcome
from workers.runtime.policy import ConsumerPolicy
from workers.runtime.wait_log import WaitLog

DATABASE = "queue_rate"
PROCESSES, PLACES = 2, 4
WORKERS, WORKER_PROCESSES = 24, 4
JOBS, SINGLE, IDLE_SECONDS = 4000, 200, 20.0

_context = multiprocessing.get_context("spawn")
Running = tuple[Settings, Any, Event]


class _Finish:
    """The handler of a job that is nothing but its claim and its end. `began`: takes (job id, time)."""

    def __init__(self, jobs: JobStore, began: Callable[[tuple[int, float]], None]) -> None:
        self._jobs = jobs
        self._began = began

    def run(self, lease: Lease) -> Outcome:
        self._began((lease.job.id, time.monotonic()))
        self._jobs.finish(lease.job, lambda: None)
        return Done()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queue_rate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"jobs to claim and settle (default {JOBS})")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds for which idle workers are watched")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="queue-rate-") as folder:
        print(json.dumps(measured(Path(folder), options.jobs, options.idle), indent=2))


def measured(folder: Path, jobs: int = JOBS, idle: float = IDLE_SECONDS) -> dict[str, float]:
    """Rates per second, times in milliseconds. `folder`: for the server and the wake directory."""
    port = keep_ports(folder / "ports", ["mysql"], on_taken=lambda *_: None)["mysql"]
    with mariadb.started(folder / "mariadb", port, folder / "mariadb.log") as server:
        server.recreate(DATABASE)
        environ = {**server.variables(DATABASE), "JOB_QUEUE": "database", "JOB_WAKE_DIR": str(folder / "wake")}
        schema.prepare(load(environ), time.sleep)
        rate, cpu = _rate(environ, jobs, server.pid)
        with _Workers(environ, WORKER_PROCESSES, WORKERS // WORKER_PROCESSES) as workers:
            time.sleep(3)
            before, began = server.questions(), time.monotonic()
            time.sleep(idle)
            queries = (server.questions() - before) / (time.monotonic() - began)
            woken = _latencies(environ, workers)
            polled = _latencies(environ | {"JOB_WAKE_DIR": str(folder / "nobody")}, workers, SINGLE // 10)
    return {
        "claims_and_settles_per_s": round(rate, 1),
        **cpu,
        "idle_workers": WORKERS,
        "idle_queries_per_s": round(queries, 1),
        **_percentiles("woken", woken),
        **_percentiles("polling", polled),
    }


class _Workers:
    """Processes of workers that do nothing but claim and finish. `begun`: (job id, time) of each job that began."""

    def __init__(self, environ: Mapping[str, str], processes: int, workers: int, places: int = PLACES) -> None:
        self.begun: Any = _context.Queue()
        self._stop = _context.Event()
        self._ready = _context.Barrier(processes + 1)
        arguments = (dict(environ), workers, places, self.begun, self._ready, self._stop)
        self._processes = [_context.Process(target=_work, args=arguments) for _ in range(processes)]

    def __enter__(self) -> _Workers:
        for process in self._processes:
            process.start()
        self._ready.wait(60)
        return self

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes if process.pid]

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(20)


def _work(environ: Mapping[str, str], workers: int, places: int, begun: Any, ready: Barrier, stop: Event) -> None:
    settings = load(environ)
    consumers = [_consumer(settings, places, begun.put) for _ in range(workers)]
    ready.wait(60)
    for consumer in consumers:
        threading.Thread(target=consumer.run, daemon=True).start()
    stop.wait()
    for consumer in consumers:
        consumer.stop()
        consumer.drain(5)


def _consumer(settings: Settings, places: int, began: Callable[[tuple[int, float]], None]) -> Consumer:
    database, queue = Database(settings), database_queue_of(settings)
    jobs = JobStore(database, settings.lease, 1)
    policy = ConsumerPolicy(slots=places, visibility=settings.visibility)
    next_job = NextJob(jobs, DueJobStore(database, settings.lease), places, queue.nudge)
    handlers: dict[str, Handler] = {JobKind.RECONCILE: _Finish(jobs, began)}
    runner = JobRunner(jobs, next_job, queue, handlers, lambda *_: None, database.clock, policy, WaitLog())
    heartbeat = Heartbeat(jobs, queue, runner.held, lease=settings.lease, visibility=policy.visibility)
    return Consumer(DueSource(queue, runner, next_job, policy), runner, heartbeat, database.clock, policy)


def _rate(environ: Mapping[str, str], jobs: int, server: int) -> tuple[float, dict[str, float]]:
    """Claims and settles per second of a queue of `jobs` jobs, and what one costs in CPU.

    The rest of the machine does not count in the CPU: two cores of it would be worth `per_s_of_two_cores`.
    """
    _add(environ, jobs)
    with _Workers(environ, PROCESSES, 1) as workers:
        before = [_cpu(one) for one in (workers.pids, [server])]
        times: list[float] = [workers.begun.get(timeout=120)[1] for _ in range(jobs)]
        used = [_cpu(one) - was for one, was in zip((workers.pids, [server]), before, strict=True)]
    names = ("worker_cpu_ms_per_job", "server_cpu_ms_per_job")
    cpu = {name: round(1000 * seconds / jobs, 2) for name, seconds in zip(names, used, strict=True)}
    return jobs / (max(times) - min(times)), {**cpu, "per_s_of_two_cores": round(2 * jobs / sum(used), 1)}


def _cpu(pids: Sequence[int]) -> float:
    """Seconds of CPU that these processes have used."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def _add(environ: Mapping[str, str], count: int) -> None:
    settings = load(environ)
    database = Database(settings)
    jobs = JobStore(database, settings.lease, 1)
    database.transaction(lambda: [jobs.add(NO_CART, JobKind.RECONCILE) for _ in range(count)])
    database.close()


def _latencies(environ: Mapping[str, str], workers: _Workers, count: int = SINGLE) -> list[float]:
    """Milliseconds from the commit of a job, with all workers idle, until it begins."""
    settings = load(environ)
    database, queue = Database(settings), database_queue_of(settings)
    jobs = JobStore(database, settings.lease, 1)
    found = []
    for _ in range(count):
        message = database.transaction(lambda: jobs.add(NO_CART, JobKind.RECONCILE))
        committed = time.monotonic()
        queue.send([message])
        job_id, began = workers.begun.get(timeout=60)
        assert job_id == message.job_id
        found.append((began - committed) * 1000)
        time.sleep(0.02)
    database.close()
    return found


def _percentiles(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {f"{name}_p50_ms": round(cuts[49], 1), f"{name}_p99_ms": round(cuts[98], 1)}


if __name__ == "__main__":
    main()
