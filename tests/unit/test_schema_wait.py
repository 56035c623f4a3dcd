"""A process that may not migrate waits for the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config.settings import Settings
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.errors import TablesMissing
from chalicelib.sweep.sweep import _Repairs


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(Settings(sqlite_path=tmp_path / "db"))


def test_it_returns_once_another_has_migrated(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            schema.sync(database)

    schema.wait(database, sleep)
    assert slept == [schema.LOOK_EVERY] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "run dbsync" in caplog.text


def test_tables_that_are_new_enough_are_not_waited_for(database: Database) -> None:
    schema.sync(database)
    schema.wait(database, lambda seconds: pytest.fail("it slept"))


def test_the_sweep_of_a_site_without_tables_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def repair() -> int:
        raise TablesMissing

    repairs = _Repairs()
    assert [repairs.run(name, repair) for name in ("one", "two")] == [0, 0]
    assert repairs.failed == []
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
