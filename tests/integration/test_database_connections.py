"""Connections the server closes are noticed before use, and no transaction is committed in part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import peewee
import pytest

from chalicelib.config.settings import load
from chalicelib.db.connection_policy import ConnectionPolicy
from chalicelib.db.database import Database, execute
from chalicelib.db.models import Jobs
from chalicelib.errors import DatabaseUnavailable
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore


@pytest.fixture
def kill(mysql: dict[str, str]) -> Iterator[Callable[[peewee.Database], None]]:
    """Has the server close the connection that a database uses in this thread."""
    killer = Database(load(mysql | {"MYSQL_DATABASE": "mysql"}))

    def killing(victim: peewee.Database) -> None:
        number = execute(victim, "SELECT CONNECTION_ID()").fetchone()[0]
        with killer.session() as db:
            execute(db, f"KILL {number}")
        time.sleep(0.2)

    yield killing
    killer.close()


def test_a_connection_lost_in_use_fails_once(mysql_database: Database, kill: Callable[[peewee.Database], None]) -> None:
    def use() -> None:
        with mysql_database.session() as db:
            kill(db)
            execute(db, "SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        use()
    assert abs(mysql_database.clock() - time.time()) < 5


def test_a_connection_lost_while_idle_is_replaced_before_use(
    mysql_database: Database, kill: Callable[[peewee.Database], None]
) -> None:
    for _ in range(3):
        with mysql_database.session() as db:
            kill(db)
        assert abs(mysql_database.clock() - time.time()) < 5
        mysql_database.transaction(lambda: JobStore(mysql_database, 30).add(1, JobKind.WINDOW))


def test_a_connection_lost_in_a_transaction_rolls_it_back(
    mysql_database: Database, kill: Callable[[peewee.Database], None]
) -> None:
    def work() -> None:
        JobStore(mysql_database, 30).add(1, JobKind.WINDOW)
        kill(mysql_database.peewee)
        JobStore(mysql_database, 30).add(2, JobKind.WINDOW)

    with pytest.raises(DatabaseUnavailable):
        mysql_database.transaction(work)
    with mysql_database.session() as db:
        assert Jobs.select().count(db) == 0


def test_a_deadlock_in_a_session_within_a_transaction_is_retried_after_a_growing_pause(
    database_variables: dict[str, str],
) -> None:
    tries: list[int] = []
    pauses: list[float] = []
    retries = ConnectionPolicy(tries=4, pause_min=1, pause_max=1)
    database = Database(load(database_variables), retries=retries, sleep=pauses.append)

    def victim(deadlocks: int) -> int:
        tries.append(1)
        with database.session():
            if len(tries) <= deadlocks:
                raise peewee.OperationalError(1213, "Deadlock found when trying to get lock")
            return len(tries)

    assert database.transaction(lambda: victim(2)) == 3
    assert pauses == [1, 2]
    tries.clear()
    with pytest.raises(DatabaseUnavailable):
        database.transaction(lambda: victim(4))
    assert len(tries) == 4
    database.close()


@pytest.mark.parametrize(("idle", "pings"), [(9.9, 0), (10.1, 1)])
def test_a_long_idle_connection_is_pinged_before_use(
    mysql: dict[str, str], monkeypatch: pytest.MonkeyPatch, idle: float, pings: int
) -> None:
    now = [0.0]
    database = Database(load(mysql | {"MYSQL_DATABASE": "mysql"}), monotonic=lambda: now[0])
    database.clock()
    pinged: list[object] = []
    monkeypatch.setattr(database.peewee.connection(), "ping", lambda **_: pinged.append(1))  # type: ignore[no-untyped-call]
    now[0] += idle
    database.clock()
    assert len(pinged) == pings
    database.close()
