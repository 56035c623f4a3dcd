"""Applies the migrations, and reports the version of the tables.

Several processes may migrate at once: one holds the lock, the others wait and find nothing to do.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import pkgutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import peewee

from chalicelib.config.settings import Settings
from chalicelib.db import migrations
from chalicelib.db.database import Database, execute
from chalicelib.errors import DatabaseUnavailable, SchemaOutdated

LOCK = "pacifica_cartd_dbsync"
LOCK_WAIT = 120  # seconds
LOOK_EVERY, LOOKS_BETWEEN_LINES = 5.0, 12  # seconds; once a minute
DUPLICATES = (1060, 1061)  # MySQL: duplicate column, duplicate index
VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER NOT NULL PRIMARY KEY, applied_at DOUBLE NOT NULL)"
)

log = logging.getLogger(__name__)


def available() -> dict[int, str]:
    """Number -> module name of every migration."""
    names = (info.name for info in pkgutil.iter_modules(migrations.__path__) if info.name[1:5].isdigit())
    return {int(name[1:5]): name for name in sorted(names)}


def applied(database: Database) -> int:
    """The highest migration applied to the database; 0 for an empty one."""
    with database.session() as db:
        if not db.table_exists("schema_versions"):
            return 0
        return execute(db, "SELECT MAX(version) FROM schema_versions").fetchone()[0] or 0


def check(database: Database) -> None:
    """Raise SchemaOutdated when the database is older than the code; newer is fine."""
    have, want = applied(database), max(available())
    if have < want:
        raise SchemaOutdated(f"The database's tables are at version {have}, the code needs {want}: run dbsync.")


def prepare(settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
    """What a process does with the tables at its start: with MIGRATE, migrate them; otherwise wait until they are new
    enough.
    """
    database = Database(settings, read_timeout=None)  # it may wait for another's migration, or make a long one
    try:
        if settings.migrate:
            sync(database)
        else:
            wait(database, sleep)
    finally:
        database.close()


def wait(database: Database, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when the tables are new enough for this code, and say now and then that it waits for that."""
    for look in itertools.count():
        try:
            check(database)
        except SchemaOutdated as error:
            if look % LOOKS_BETWEEN_LINES == 0:
                log.warning("waiting for the tables: %s", error.message)
        except DatabaseUnavailable as error:
            log.warning("waiting for the database: %s", error.message)
        else:
            return
        sleep(LOOK_EVERY)


def sync(database: Database) -> list[int]:
    """Apply the pending migrations in order; their numbers. A connection with a read time-out may be too impatient."""
    done: list[int] = []
    if applied(database) >= max(available()):
        return done
    with database.session() as db, _lock(database):
        execute(db, VERSIONS)
        have = applied(database)
        for number, name in available().items():
            if number > have:
                _apply(database, number, name)
                done.append(number)
    return done


def _apply(database: Database, number: int, name: str) -> None:
    module = importlib.import_module(f"{migrations.__name__}.{name}")
    with database.session() as db:
        for statement in module.statements("mysql" if database.is_mysql else "sqlite"):
            _execute_again(db, statement)
        execute(db, f"INSERT INTO schema_versions (version, applied_at) VALUES ({number}, {database.now.sql})")


def _execute_again(db: peewee.Database, statement: str) -> None:
    """Execute DDL that may have been executed before a crash."""
    try:
        execute(db, statement)
    except peewee.OperationalError as error:
        done = error.args[0] in DUPLICATES or "duplicate column name" in str(error)
        if not done:
            raise


@contextmanager
def _lock(database: Database) -> Iterator[None]:
    if not database.is_mysql:
        with database.peewee.atomic("IMMEDIATE"):
            yield
        return
    with database.session() as db:
        if execute(db, f"SELECT GET_LOCK('{LOCK}', {LOCK_WAIT})").fetchone()[0] != 1:
            raise DatabaseUnavailable(f"Another dbsync has held its lock for {LOCK_WAIT} s.")
        try:
            yield
        finally:
            execute(db, f"SELECT RELEASE_LOCK('{LOCK}')").fetchone()
