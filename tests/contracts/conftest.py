"""Each database store in memory, on SQLite and on MySQL. A real database serves all tests of a process, emptied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.config.settings import load
from chalicelib.db import schema
from tests.contracts.world import ShiftedDatabase, on_database
from tests.doubles.world import World, in_memory
from tests.integration import mariadb


@pytest.fixture(scope="session")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShiftedDatabase]:
    yield from migrated({"SQLITE_PATH": str(tmp_path_factory.mktemp("contracts") / "cart.db")})


@pytest.fixture(scope="session")
def mysql_database(mysql: dict[str, str]) -> Iterator[ShiftedDatabase]:
    with mariadb.new_database(mysql) as variables:
        yield from migrated(variables)


def migrated(variables: dict[str, str]) -> Iterator[ShiftedDatabase]:
    database = ShiftedDatabase(load(variables))
    schema.sync(database)
    yield database
    database.close()


@pytest.fixture(params=["memory", "sqlite", "mysql"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return in_memory()
    database: ShiftedDatabase = request.getfixturevalue(f"{request.param}_database")
    database.empty()
    return on_database(database)
