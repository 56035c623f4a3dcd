"""Ended carts cost nothing: HEAD, POST and the sweep read no more rows however long the history is.

HISTORY=1000000 tests with a million carts; run with `-s` to see how long each call takes.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.db.database import Database, execute
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.stores.unsent_jobs import UnsentJobStore
from tests.integration.posting import RETENTION, DatabaseSweep, Posting

HISTORY = int(os.environ.get("HISTORY", "20000"))
MOST = 60  # rows one call may read
DAY = 86400.0
PAST = """INSERT INTO carts (uid, live, state, root, digest, files_total, created_at, used_at, bundle_size, ended_at,
 deleted_at, expired_at, cleared_at)
SELECT CONCAT('old-', n), IF(MOD(n, 4), 1, NULL), ELT(MOD(n, 4) + 1, 'ready', 'ready', 'error', 'expired'), 'r', 'd', 1,
       UNIX_TIMESTAMP(), UNIX_TIMESTAMP(), 1000, UNIX_TIMESTAMP(), IF(MOD(n, 4), NULL, UNIX_TIMESTAMP()),
       IF(MOD(n, 4) = 3, UNIX_TIMESTAMP(), NULL), IF(MOD(n, 4) = 1, NULL, UNIX_TIMESTAMP())
FROM (WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
      SELECT n FROM numbers) every"""


@pytest.fixture
def past(mysql_database: Database) -> Database:
    """A database with many ended carts: deleted, ready, failed, expired."""
    with mysql_database.session() as db:
        execute(db, f"SET SESSION max_recursive_iterations = {HISTORY + 1}")
        execute(db, PAST.format(count=HISTORY))
        execute(db, "ANALYZE TABLE carts")
    return mysql_database


def calls(database: Database) -> dict[str, Callable[[], Any]]:
    posting = Posting(database)
    sweep = DatabaseSweep(database, dataclasses.replace(RETENTION, ttl=14 * DAY, deadline=14 * DAY))
    numbers = iter(range(10**6))
    return {
        "HEAD of a cart": lambda: posting.carts.find("", "old-1"),
        "the sweep's rows to clear": sweep.clear_carts.run,
        "the sweep's old rows": sweep.old_carts.run,
        "POST of a new cart": lambda: posting.post(f"new-{next(numbers)}", 1),
        "POST that replaces": lambda: posting.post("new-0", next(numbers)),
        "the sweep's jobs": lambda: UnsentJobStore(database, 30).take_due(1000, lambda: 0),
        "the sweep's deadlines": sweep.overdue_carts.run,
        "the sweep's expiry": sweep.expired_bundles.run,
        "the sweep's dead letters": lambda: UnsentJobStore(database, 30).unclaimed(10**9, 0),
        "the sweep's uploaded manifests": sweep.expired_uploads.run,
        "the sweep's uploads": lambda: CartSurvey(database).upload_ids([1, 2, 3]),
    }


def rows_read(database: Database, call: Callable[[], Any]) -> int:
    """How many rows the server reads for the call."""
    names = "('HANDLER_READ_FIRST','HANDLER_READ_KEY','HANDLER_READ_NEXT','HANDLER_READ_PREV','HANDLER_READ_RND',"
    query = f"SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN {names}"
    with database.session() as db:
        execute(db, "FLUSH STATUS")
        call()
        return int(execute(db, f"{query}'HANDLER_READ_RND_NEXT')").fetchone()[0])


def test_no_call_reads_more_rows_for_a_long_history(past: Database) -> None:
    for name, call in calls(past).items():
        read = rows_read(past, call)
        taken = [timed(call) for _ in range(20)]
        print(f"{name}: {read} rows, {statistics.median(taken) * 1000:.1f} ms")
        assert read <= MOST, f"{name} read {read} rows"


def test_a_call_that_reads_the_history_would_be_detected(past: Database) -> None:
    with past.session() as db:
        read = rows_read(past, lambda: execute(db, "SELECT COUNT(*) FROM carts WHERE message = 'x'").fetchone())
    assert read >= HISTORY


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
