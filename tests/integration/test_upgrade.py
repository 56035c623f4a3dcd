"""During a deployment: old code on new tables, and workers of two versions on one queue."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import job_message
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database, execute
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, generated, manifest, until
from workers.runtime.job_runner import JobRunner
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done

NEWEST = max(schema.available())
#: How a migration's statements may begin. None of them affects code that does not know of the change.
ADDS = re.compile(
    r"CREATE TABLE IF NOT EXISTS |CREATE INDEX |INSERT (OR )?IGNORE INTO |ALTER TABLE (\w+) ADD (COLUMN|INDEX) "
    "|UPDATE carts SET uploaded = 1 WHERE ",  # fills a column the same migration adds
    re.I,
)


def columns(database: Database) -> dict[str, dict[str, Any]]:
    """Table -> column -> its metadata."""
    with database.session() as db:
        tables = sorted(set(db.get_tables()) - {"sqlite_sequence", "schema_versions"})
        return {table: {column.name: column for column in db.get_columns(table)} for table in tables}


def insert(database: Database, table: str, known: dict[str, Any], number: int) -> None:
    """Insert a row as code does that knows only these columns."""
    values = {name: number if _is_number(column) else f"'{number}'" for name, column in known.items()}
    names = ", ".join(f"`{name}`" for name in values)
    with database.session() as db:
        execute(db, f"INSERT INTO {table} ({names}) VALUES ({', '.join(map(str, values.values()))})")


def read(database: Database, table: str, known: dict[str, Any]) -> set[tuple[Any, ...]]:
    names = ", ".join(f"`{name}`" for name in known)
    with database.session() as db:
        return {tuple(row) for row in execute(db, f"SELECT {names} FROM {table}").fetchall()}


def _is_number(column: Any) -> bool:
    return not column.data_type.lower().startswith(("varchar", "text", "char"))


@pytest.mark.parametrize("version", sorted(schema.available())[:-1])
def test_code_of_an_earlier_version_reads_and_writes_the_newest_tables(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    database = Database(load(database_variables))
    every = schema.available()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "available", lambda: {n: name for n, name in every.items() if n <= version})
        schema.sync(database)
    old = columns(database)
    for table, known in old.items():
        insert(database, table, known, 7)
    before = {table: read(database, table, known) for table, known in old.items()}
    assert schema.sync(database) == [number for number in every if number > version]
    for table, known in old.items():
        assert before[table] <= read(database, table, known), f"{table} kept what it had"
        insert(database, table, known, 8)
        assert len(read(database, table, known)) == len(before[table]) + 1
    database.close()


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
@pytest.mark.parametrize("number", sorted(schema.available()))
def test_a_migration_only_adds(number: int, dialect: str) -> None:
    module = importlib.import_module(f"chalicelib.db.migrations.{schema.available()[number]}")
    for statement in module.statements(dialect):
        assert ADDS.match(statement), f"this may break old code: {statement[:100]}"
        if " ADD COLUMN " in statement.upper():
            assert "NOT NULL" not in statement or " DEFAULT " in statement, (
                f"old code does not set this column: {statement}"
            )


def test_old_code_accepts_newer_tables(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    every = schema.available()
    monkeypatch.setattr(schema, "available", lambda: {n: name for n, name in every.items() if n < NEWEST})
    schema.check(database)
    assert schema.sync(database) == []


def test_workers_of_two_versions_share_one_queue(site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """The old worker leaves messages of the new version in the queue; a new worker takes them."""
    site = site_of(LEASE="2")
    old = site.start_worker()
    newer, older = generated(1, 1000, "newer"), generated(1, 1000, "older")
    site.system.service.create(ANYONE, "older", manifest(older))
    assert_ready(site, "older", older)
    with monkeypatch.context() as patch:
        patch.setattr(job_message, "encode", lambda sent: f'{{"v": 2, "job": {sent.job_id}, "token": {sent.token}}}')
        site.system.service.create(ANYONE, "newer", manifest(newer))
    time.sleep(3.5)  # the old worker receives it repeatedly
    assert site.system.service.find(ANYONE, "newer").state == "waiting"
    old.consumer.stop()
    old.consumer.drain(5)
    monkeypatch.setattr(job_message, "VERSION", 2)
    site.start_worker()
    assert_ready(site, "newer", newer, within=20)
    with site.system.database.session() as db:
        assert execute(db, "SELECT COUNT(*) FROM jobs").fetchone()[0] == 0


def test_a_job_of_a_newer_kind_is_left_to_newer_workers(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of({"consumer": {"newer_kind_delay": 0.2}})
    old = site.start_worker()
    message = site.system.database.transaction(lambda: site.system.jobs.add(7, "newer"))
    site.system.queue.send([message])
    until(lambda: "newer worker" in site.system.database.transaction(lambda: site.system.jobs.last_problem(7)), 20)
    time.sleep(2)  # several times more often than a job may fail
    done: list[Lease] = []

    def run(_: JobRunner, lease: Lease) -> Done:
        done.append(lease)
        return Done()

    monkeypatch.setattr(JobRunner, "_run", run)
    until(lambda: bool(done), 20)
    assert done[0].job.kind == "newer"
    assert done[0].job.attempts == 1, "leaving it to newer workers is not a failed attempt"
    assert old.consumer.drain(5)


def test_a_new_worker_understands_messages_of_an_old_api(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of()
    files = generated(1, 1000, "old")
    site.system.service.create(ANYONE, "old", manifest(files))
    monkeypatch.setattr(job_message, "VERSION", 2)
    site.start_worker()
    until(lambda: site.system.service.find(ANYONE, "old").state == "ready", 20)
