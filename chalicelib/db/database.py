"""The one way to the database: MySQL or MariaDB when a host is set, SQLite (WAL) otherwise.

Invariant 2 of docs/architecture.md rests on what is set up here and in mysql.py: an UPDATE's row count is the rows
*found*, READ COMMITTED on MySQL, BEGIN IMMEDIATE with a busy time-out on SQLite. Times are the database's own clock,
as seconds since the epoch in UTC.
"""

from __future__ import annotations

import logging
import random
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import peewee

from chalicelib.config.settings import Settings
from chalicelib.db.mysql import MySQL
from chalicelib.errors import DatabaseUnavailable

T = TypeVar("T")

CHUNK = 1000  # rows per statement: far below MySQL's packet and SQLite's variable limits
IDLE = 10.0  # seconds after which a connection is pinged before it is trusted
NO_SUCH_TABLE = 1146  # MySQL
RETRIED = (1020, 1205, 1213)  # MySQL: record changed, lock wait time-out, deadlock

log = logging.getLogger(__name__)


class _Literal(peewee.SQL):
    """SQL whose values go to the driver as they are, all at once."""

    def __sql__(self, ctx: Any) -> Any:
        ctx.literal(self.sql)
        ctx._values.extend(self.params)
        return ctx


class Database:
    """Connections (one a thread), transactions and the few things the two dialects say differently."""

    def __init__(self, settings: Settings) -> None:
        self._attempts = settings.database_connect_attempts
        self._wait = settings.database_wait
        self._used = threading.local()
        self.is_mysql = bool(settings.mysql_host)
        self._parameter = "%s" if self.is_mysql else "?"
        self.peewee: peewee.Database = MySQL(settings) if self.is_mysql else _sqlite(settings)
        if settings.database_logging:
            _print_queries()

    @contextmanager
    def session(self) -> Iterator[peewee.Database]:
        """A live connection for this thread; what goes wrong with it becomes DatabaseUnavailable.

        Within a transaction it is that one's, and what goes wrong is for the transaction to see.
        """
        if self.peewee.in_transaction():
            yield self.peewee
            return
        self._ensure_connected()
        try:
            yield self.peewee
        except (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError) as error:
            self._drop()
            raise DatabaseUnavailable(f"The database failed: {_brief(error)}") from error
        except peewee.ProgrammingError as error:
            if error.args[0] != NO_SUCH_TABLE:
                raise
            raise DatabaseUnavailable("The database has no tables yet: run `pacifica-cartd-cmd dbsync`.") from error
        self._used.at = time.monotonic()

    def transaction(self, work: Callable[[], T]) -> T:
        """Run `work` in one transaction, again when the server made it the victim of a deadlock."""
        with self.session():
            for attempt in range(8):
                try:
                    with self._atomic():
                        return work()
                except peewee.OperationalError as error:
                    if attempt == 7 or not _is_contention(error):
                        raise
                    log.info("transaction tried again: %s", _brief(error))
                    time.sleep(random.uniform(0.005, 0.05) * 2**attempt)
            raise AssertionError("unreachable")

    @property
    def now(self) -> peewee.SQL:
        """SQL for the database's time, in seconds since the epoch."""
        if self.is_mysql:
            return peewee.SQL("(UNIX_TIMESTAMP(NOW(3)) + 0E0)")
        return peewee.SQL("((julianday('now') - 2440587.5) * 86400.0)")

    def clock(self) -> float:
        """The database's time now, in seconds since the epoch."""
        with self.session() as db:
            return float(execute(db, f"SELECT {self.now.sql}").fetchone()[0])

    def upsert(
        self, query: Any, target: Sequence[Any], replace: Sequence[Any], update: Mapping[Any, Any] | None = None
    ) -> Any:
        """An INSERT that, where `target` exists already, replaces the columns `replace` and sets those of `update`."""
        changes = {"preserve": list(replace), "update": update or {}}
        if self.is_mysql:
            return query.on_conflict(**changes)
        return query.on_conflict(conflict_target=list(target), **changes)

    def values(self, rows: Sequence[Sequence[Any]]) -> peewee.SQL:
        """Rows for `insert_from`: peewee's insert_many takes a node for each value, ten times as long.

        What needs no quotes is written out, which spares the driver to escape it.
        """
        given: list[Any] = []

        def told(value: Any) -> str:
            if type(value) is int or value == 0:
                return str(int(value))
            if value is None or value == "":
                return "NULL" if value is None else "''"
            given.append(value)
            return self._parameter

        written = [f"({', '.join([told(value) for value in row])})" for row in rows]
        return _Literal(f"VALUES {', '.join(written)}", given)

    def listed(self, values: Sequence[Any]) -> peewee.SQL:
        """Values for the right side of an IN, at the same saving."""
        return _Literal(f"({', '.join([self._parameter] * len(values))})", values)

    def text_of(self, query: Any) -> str:
        """A query's SQL in this dialect, for `execute` with other values in the place of its own."""
        text: str = self.peewee.get_sql_context().sql(query).query()[0]  # type: ignore[no-untyped-call]
        return text

    def close(self) -> None:
        """Close this thread's connection."""
        if not self.peewee.is_closed():
            self.peewee.close()

    def _atomic(self) -> Any:
        return self.peewee.atomic() if self.is_mysql else self.peewee.atomic("IMMEDIATE")

    def _ensure_connected(self) -> None:
        if not self.peewee.is_closed():
            recent = time.monotonic() - getattr(self._used, "at", 0.0) < IDLE
            if not self.is_mysql or (self._is_open() if recent else self._answers()):
                return
            self._drop()
        self._connect()

    def _connect(self) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                self.peewee.connect(reuse_if_open=True)
            except (peewee.OperationalError, peewee.InterfaceError, DatabaseUnavailable) as error:
                log.warning("no database connection (try %d of %d): %s", attempt, self._attempts, _brief(error))
                if attempt == self._attempts:
                    raise DatabaseUnavailable("The database cannot be reached.") from error
                time.sleep(self._wait)
            else:
                self._used.at = time.monotonic()
                return

    def _is_open(self) -> bool:
        """Without asking: all that a server sends unasked is its farewell, so there must be nothing to read."""
        try:
            connection: Any = self.peewee.connection()  # type: ignore[no-untyped-call]
            waiting = select.poll()
            waiting.register(connection._sock, select.POLLIN)
            return not waiting.poll(0)
        except Exception:  # it was closed on our side
            return False

    def _answers(self) -> bool:
        try:
            connection: Any = self.peewee.connection()  # type: ignore[no-untyped-call]
            connection.ping(reconnect=False)
        except Exception:  # whatever a dead socket raises: the answer is no
            return False
        return True

    def _drop(self) -> None:
        try:
            self.close()
        except Exception as error:  # closing a broken connection may fail; it is gone either way
            log.debug("closing a broken connection: %s", error)


def execute(db: peewee.Database, sql: str, values: Sequence[Any] = ()) -> Any:
    """Run literal SQL; its cursor."""
    return db.execute_sql(sql, values or None)  # type: ignore[no-untyped-call]


def chunks(rows: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _sqlite(settings: Settings) -> peewee.Database:
    settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
    pragmas = {"journal_mode": "wal", "busy_timeout": 20000, "synchronous": "normal"}
    return peewee.SqliteDatabase(str(settings.sqlite_path), pragmas=pragmas, timeout=20)


def _is_contention(error: Exception) -> bool:
    code = error.args[0] if error.args else None
    return code in RETRIED or "database is locked" in str(error)


def _brief(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _print_queries() -> None:
    logging.getLogger("peewee").setLevel(logging.DEBUG)
