"""Checks of `doctor`: the database, its tables, and what it knows of the workers and of waits."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from chalicelib.admin.checks import Check, Problem
from chalicelib.admin.site_status import in_words, is_late, last_sweep, long_waits
from chalicelib.admin.wording import age
from chalicelib.config.settings import Settings
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.stores.cart_search import CartSearch
from chalicelib.stores.server_facts import ServerFacts
from chalicelib.stores.sweep_times import SweepTimes
from chalicelib.stores.waiting_jobs import JobWaitStore
from chalicelib.stores.worker_states import WorkerState, WorkerStateStore

SKEW = 2.0  # seconds between the clocks
SEEN = 60.0  # seconds; a worker writes its row more often
WAITED = 30.0  # seconds; shorter waits are hiccups
SERVER = "Is the server up, and are MYSQL_HOST, MYSQL_PORT and the login right?"
FILE = "Can this user write SQLITE_PATH and its folder?"


def database_checks(settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """`clock`: this machine's."""
    once = dataclasses.replace(settings, database_connect_attempts=1)
    do = SERVER if settings.mysql_host else FILE
    yield Check("database", lambda: _database(Database(once), clock), do)
    yield Check("schema", lambda: _schema(Database(once)), do)
    yield Check("workers", lambda: _workers(Database(once)), do)
    yield Check("sweep", lambda: _sweep(Database(once), settings.sweep_interval), do)
    yield Check("waits", lambda: _waits(Database(once)), do)


def _database(database: Database, clock: Callable[[], float]) -> str:
    version = ServerFacts(database).version()
    before = clock()
    theirs = database.clock()
    after = clock()
    skew = max(before - theirs, theirs - after, 0.0)
    if skew > SKEW:
        raise Problem(
            f"its clock and this machine's differ by {skew:.0f} s",
            "Set the clock that is wrong (the line `clock` compares this machine's with the store's), and run NTP.",
        )
    return f"{version}, {1000 * (after - before):.0f} ms"


def _schema(database: Database) -> str:
    have, want = schema.applied(database), max(schema.available())
    if have < want:
        raise Problem(f"the tables are at version {have}, this code needs {want}", "Run `pacifica-cartd-cmd dbsync`.")
    return f"version {have}" + (f", newer than this code's {want}" if have > want else "")


def _workers(database: Database) -> str:
    now = database.clock()
    workers = [worker for worker in WorkerStateStore(database).all() if worker.stopped_at is None]
    here = [worker for worker in workers if now - worker.seen_at <= SEEN]
    if hung := [worker for worker in here if worker.hung]:
        raise Problem(
            _hangs(hung[0], len(hung), now), "Look at what it waits for, then replace that worker's container."
        )
    if not here:
        return _nobody(database, workers, now)
    return f"{len(here)} seen, the last {age(now - here[0].seen_at)} ago"


def _sweep(database: Database, interval: float) -> str:
    now, swept_at = database.clock(), SweepTimes(database).last()
    if is_late(swept_at, now, interval) and CartSearch(database).oldest_unfinished() is not None:
        raise Problem(f"it {last_sweep(swept_at, now)}", "Start it; on AWS, see `sweep-missing` in docs/operations.md.")
    return last_sweep(swept_at, now)


def _nobody(database: Database, workers: list[WorkerState], now: float) -> str:
    last = f"the last was seen {age(now - workers[0].seen_at)} ago" if workers else "none was ever seen"
    if CartSearch(database).oldest_unfinished() is not None:
        raise Problem(f"no worker, but unfinished carts: {last}", "Start workers; if they end at once, read their log.")
    return f"none, and no work for them: {last}"


def _hangs(worker: WorkerState, number: int, now: float) -> str:
    since = "" if worker.step_at is None else f" for {age(now - worker.step_at)}"
    return f"{number} of them hang, as {worker.name} in: {worker.step}{since}"


def _waits(database: Database) -> str:
    """What no other check may see: an archive that answers `GET /`, and fails or hangs for files."""
    now, jobs = database.clock(), JobWaitStore(database).groups()
    waits = long_waits(jobs, now, WAITED)
    if waits:
        do = f"`list --waiting-for {waits[0].waits_for}` shows the carts, `show UID` what has happened to one of them."
        raise Problem("; ".join(in_words(row, now) for row in waits), do)
    return f"no job has waited for a dependency for {age(WAITED)}"
