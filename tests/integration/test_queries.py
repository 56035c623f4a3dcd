"""No query that runs per request, message or sweep scans a whole table, on either database."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts, StagedFiles
from chalicelib.stores.progress import ProgressStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from tests.integration.posting import RETENTION, DatabaseSweep, Posting

CARTS, FILES = 400, 4
TABLES = ("carts", "entries", "windows", "jobs", "staged_files")
Query = tuple[str, list[Any]]


class Recorder(logging.Handler):
    """Collects the queries peewee logs."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[Query] = []

    def emit(self, record: logging.LogRecord) -> None:
        logged: Any = record.msg
        sql, parameters = logged
        if re.match("SELECT|UPDATE|DELETE", sql):
            self.queries.append((sql, list(parameters or ())))


@pytest.fixture
def record() -> Iterator[Callable[[Callable[[], Any]], list[Query]]]:
    """Runs a function; the queries it ran."""
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
    """A database with enough rows for a plan that scans them to show."""
    posting = Posting(database)
    database.transaction(lambda: [posting.post(f"uid-{number}", *files(number)) for number in range(CARTS)])
    with database.session() as db:
        common = {"state": "staged", "size": 0, "mtime_ns": 0, "used_at": 0}
        ids = [f"{number}-{file}" for number in range(CARTS) for file in range(FILES)]
        StagedFiles.insert_many([{"archive_id": name, "name": name, **common} for name in ids]).execute(db)
        for table in TABLES:
            execute(db, f"ANALYZE TABLE {table}" if database.is_mysql else f"ANALYZE {table}")
    return database


def files(number: int) -> list[str]:
    return [f"{number}-{file}" for file in range(FILES)]


def plan(database: Database, query: Query) -> list[str]:
    """The steps of the query's plan that scan a whole table or index."""
    sql, parameters = query
    with database.session() as db:
        if database.is_mysql:
            rows = db.execute_sql(f"EXPLAIN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
            return [f"{row[2]}: {row[3]}" for row in rows if row[3] in ("ALL", "index")]
        rows = db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
        return [row[3] for row in rows if row[3].startswith("SCAN") and "CONSTANT" not in row[3]]


def test_no_request_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting, progress = Posting(full), ProgressStore(full)
    carts = posting.carts
    cart = carts.find("", "uid-7")
    staging = {"head": lambda: carts.find("", "uid-7"), "get": lambda: carts.record_download(cart, 1e9, 3600)}
    assert carts.begin_staging(cart.id)
    cart = carts.find("", "uid-7")
    calls = staging | {
        "status": lambda: progress.counts(cart),
        "files": lambda: progress.files(cart, 1, 2),
        "post of the same": lambda: posting.post("uid-7", *files(7)),
        "post of another": lambda: posting.post("uid-8", *files(9)),
        "delete": lambda: posting.service.delete("", "uid-9"),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_message_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting = Posting(full)
    jobs = posting.jobs
    [message] = posting.post("new", 1)
    claimed = jobs.claim(message.job_id, message.token)
    assert claimed is not None
    calls = {
        "claim": lambda: jobs.claim(message.job_id, message.token),
        "renew": lambda: jobs.renew([claimed]),
        "fenced": lambda: jobs.fenced(claimed, lambda: None),
        "defer": lambda: jobs.defer(claimed, 1),
        "delete all": lambda: jobs.delete_all(claimed.cart_id),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_sweep_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting, unsent, sweep = Posting(full), UnsentJobStore(full, 30), DatabaseSweep(full)
    [message] = posting.post("new", 1)
    calls = {
        "due": lambda: unsent.take_due(100, lambda: 0),
        "unsent": lambda: unsent.mark_unsent([message]),
        "deadlines": sweep.overdue_carts.run,
        "dead letters": lambda: sweep.dead_letters.fail_cart_of(message.job_id, message.token),
        "uploads": lambda: posting.carts.upload_ids([1, 2, 3]),
        "expiry": sweep.expired_bundles.run,
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_the_sum_of_bundle_sizes_uses_a_covering_index(
    full: Database, record: Callable[[Callable[[], Any]], list[Query]]
) -> None:
    limited = DatabaseSweep(full, dataclasses.replace(RETENTION, limit=1))
    [(sql, given)] = [query for query in record(limited.expired_bundles.run) if "SUM" in query[0]]
    with full.session() as db:
        explain = "EXPLAIN" if full.is_mysql else "EXPLAIN QUERY PLAN"
        steps = str(db.execute_sql(f"{explain} {sql}", given).fetchall())  # type: ignore[no-untyped-call]
    assert "Using index" in steps if full.is_mysql else "COVERING INDEX carts_bundles" in steps


def test_a_full_scan_would_be_detected(full: Database) -> None:
    sql, parameters = Carts.select().where(Carts.message == "x").sql()
    quoted = sql if not full.is_mysql else sql.replace('"', "`").replace("?", "%s")
    assert plan(full, (quoted, parameters))


def assert_none_scans(database: Database, queries: dict[str, list[Query]]) -> None:
    assert all(queries.values()), queries
    scans = {name: [(sql, plan(database, (sql, given))) for sql, given in ran] for name, ran in queries.items()}
    assert [(name, sql, found) for name, ran in scans.items() for sql, found in ran if found] == []
