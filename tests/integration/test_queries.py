"""No query that runs per request or per message reads a whole table, on either database."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts, StagedFiles
from chalicelib.manifest.reader import Manifest, parse
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.sweep.lost_messages import ResendStore
from chalicelib.sweep.overdue_carts import Endings

CARTS, FILES = 400, 4
TABLES = ("carts", "entries", "windows", "jobs", "staged_files")
Query = tuple[str, list[Any]]


class Recorder(logging.Handler):
    """The queries peewee tells its log."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[Query] = []

    def emit(self, record: logging.LogRecord) -> None:
        told: Any = record.msg
        sql, parameters = told
        if re.match("SELECT|UPDATE|DELETE", sql):
            self.queries.append((sql, list(parameters or ())))


@pytest.fixture
def record() -> Iterator[Callable[[Callable[[], Any]], list[Query]]]:
    """Runs something; the queries that took."""
    recorder, logger = Recorder(), logging.getLogger("peewee")
    level = logger.level
    logger.addHandler(recorder)

    def recording(work: Callable[[], Any]) -> list[Query]:
        recorder.queries.clear()
        logger.setLevel(logging.DEBUG)
        try:
            work()
        finally:
            logger.setLevel(level)
        return list(recorder.queries)

    yield recording
    logger.removeHandler(recorder)


@pytest.fixture
def full(database: Database) -> Database:
    """So many rows that a plan which reads all of them would show."""
    carts = CartStore(database, JobStore(database, 30))
    database.transaction(lambda: [carts.add("", f"uid-{number}", manifest(number)) for number in range(CARTS)])
    with database.session() as db:
        common = {"state": "staged", "size": 0, "mtime_ns": 0, "used_at": 0}
        ids = [f"{number}-{file}" for number in range(CARTS) for file in range(FILES)]
        StagedFiles.insert_many([{"archive_id": name, "name": name, **common} for name in ids]).execute(db)
        for table in TABLES:
            execute(db, f"ANALYZE TABLE {table}" if database.is_mysql else f"ANALYZE {table}")
    return database


def manifest(number: int) -> Manifest:
    entries = [{"id": f"{number}-{file}", "path": f"d/{file}"} for file in range(FILES)]
    return parse(json.dumps({"fileids": entries}).encode(), "uid")


def plan(database: Database, query: Query) -> list[str]:
    """What reads a whole table or index in the database's plan for it."""
    sql, parameters = query
    with database.session() as db:
        if database.is_mysql:
            rows = db.execute_sql(f"EXPLAIN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
            return [f"{row[2]}: {row[3]}" for row in rows if row[3] in ("ALL", "index")]
        rows = db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
        return [row[3] for row in rows if row[3].startswith("SCAN") and "CONSTANT" not in row[3]]


def test_no_request_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    jobs = JobStore(full, 30)
    carts, progress = CartStore(full, jobs), ProgressStore(full)
    cart = carts.find("", "uid-7")
    staging = {"head": lambda: carts.find("", "uid-7"), "get": lambda: carts.handed_out(cart, 1e9, 3600)}
    assert carts.begin_staging(cart.id)
    cart = carts.find("", "uid-7")
    calls = staging | {
        "status": lambda: progress.counts(cart),
        "files": lambda: progress.files(cart, 1, 2),
        "post of the same": lambda: carts.add("", "uid-7", manifest(7)),
        "post of another": lambda: carts.add("", "uid-8", manifest(9)),
        "delete": lambda: carts.delete("", "uid-9"),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_message_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    jobs = JobStore(full, 30)
    [hint] = CartStore(full, jobs).add("", "new", manifest(1))
    claimed = jobs.claim(hint.job_id, hint.token)
    assert claimed is not None
    calls = {
        "claim": lambda: jobs.claim(hint.job_id, hint.token),
        "renew": lambda: jobs.renew([claimed]),
        "fenced": lambda: jobs.fenced(claimed, lambda: None),
        "put off": lambda: jobs.defer(claimed, 1),
        "drop": lambda: jobs.drop_all(claimed.cart_id),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_sweep_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    jobs = JobStore(full, 30)
    carts = CartStore(full, jobs)
    endings, resends = Endings(full, carts, jobs), ResendStore(full, 30)
    [hint] = carts.add("", "new", manifest(1))
    calls = {
        "due": lambda: resends.due(100, lambda: 0),
        "unsent": lambda: resends.unsent([hint]),
        "deadlines": lambda: endings.fail_overdue(3600),
        "dead letters": lambda: endings.give_up(hint.job_id, hint.token),
        "uploads": lambda: endings.uploads([1, 2, 3]),
        "expiry": lambda: carts.expire(3600, 0, 0),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_the_sizes_of_all_bundles_are_added_up_from_an_index_alone(
    full: Database, record: Callable[[Callable[[], Any]], list[Query]]
) -> None:
    carts = CartStore(full, JobStore(full, 30))
    [(sql, given)] = [query for query in record(lambda: carts.expire(3600, 0, 1)) if "SUM" in query[0]]
    with full.session() as db:
        explain = "EXPLAIN" if full.is_mysql else "EXPLAIN QUERY PLAN"
        told = str(db.execute_sql(f"{explain} {sql}", given).fetchall())  # type: ignore[no-untyped-call]
    assert "Using index" in told if full.is_mysql else "COVERING INDEX carts_bundles" in told


def test_a_plan_that_reads_a_whole_table_would_show(full: Database) -> None:
    sql, parameters = Carts.select().where(Carts.message == "x").sql()
    quoted = sql if not full.is_mysql else sql.replace('"', "`").replace("?", "%s")
    assert plan(full, (quoted, parameters))


def assert_none_scans(database: Database, queries: dict[str, list[Query]]) -> None:
    assert all(queries.values()), queries
    scans = {name: [(sql, plan(database, (sql, given))) for sql, given in ran] for name, ran in queries.items()}
    assert [(name, sql, found) for name, ran in scans.items() for sql, found in ran if found] == []
