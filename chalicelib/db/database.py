"""Access to the database: MySQL or MariaDB when a host is set, SQLite (WAL) otherwise.

Invariant 2 of docs/architecture.md rests on the setup here and in mysql.py: an UPDATE's row count is the rows *found*,
READ COMMITTED on MySQL, BEGIN IMMEDIATE with a busy timeout on SQLite. Times come from the database's own clock, as
seconds since the epoch in UTC.
"""

from __future__ import annotations

import logging
import random
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any, TypeVar

import peewee

from chalicelib.config.settings import Settings
from chalicelib.db.after_commit import AfterCommit
from chalicelib.db.connection_policy import CONNECTION_POLICY, ConnectionPolicy
from chalicelib.db.faults import NO_SUCH_TABLE, brief, is_contention
from chalicelib.db.literal import Literal
from chalicelib.db.mysql import READ_TIMEOUT, MySQL
from chalicelib.db.sqlite import sqlite
from chalicelib.errors import DatabaseUnavailable, TablesMissing
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts

T = TypeVar("T")

CHUNK = 1000  # rows per statement: far below MySQL's packet and SQLite's variable limits

log = logging.getLogger(__name__)


class Database:
    """One connection per thread, transactions, and what differs between the two dialects."""

    def __init__(
        self,
        settings: Settings,
        *,
        read_timeout: float | None = READ_TIMEOUT,
        retries: ConnectionPolicy = CONNECTION_POLICY,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect_tries = settings.database_connect_attempts
        self._connect_pause = settings.database_wait
        self._retries = retries
        self._monotonic = monotonic
        self._sleep = sleep
        self._used = threading.local()
        self._after = AfterCommit()
        self.is_mysql = bool(settings.mysql_host)
        # SQLite has one writer at a time, and who polls for its lock may never get it: this process's threads queue.
        self._turns: AbstractContextManager[Any] = nullcontext() if self.is_mysql else threading.RLock()
        self._parameter = "%s" if self.is_mysql else "?"
        self.peewee: peewee.Database = MySQL(settings, read_timeout) if self.is_mysql else sqlite(settings)
        if settings.database_logging:
            logging.getLogger("peewee").setLevel(logging.DEBUG)

    @contextmanager
    def session(self) -> Iterator[peewee.Database]:
        """A live connection for this thread. Raises DatabaseUnavailable for any fault of it.

        Within a transaction it yields the transaction's connection, and faults propagate to the transaction.
        """
        if self.peewee.in_transaction():
            yield self.peewee
            return
        self._ensure_connected()
        try:
            yield self.peewee
        except (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError) as error:
            self._drop()
            raise DatabaseUnavailable(f"The database failed: {brief(error)}") from error
        except peewee.ProgrammingError as error:
            if error.args[0] != NO_SUCH_TABLE:
                raise
            raise TablesMissing from error
        self._used.at = self._monotonic()

    @contextmanager
    def writing(self) -> Iterator[peewee.Database]:
        """As `session`, for one statement that writes: on SQLite in turn with this process's transactions."""
        with self._turns, self.session() as db:
            yield db

    def transaction(self, work: Callable[[], T]) -> T:
        """Run `work` in one transaction; retry it after a deadlock or a lock timeout."""
        nested = self.peewee.in_transaction()
        result = self._committed(work, self._after.begin(nested=nested))
        if not nested:
            self._after.run()
        return result

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this when the transaction around has committed, and never if it does not."""
        self._after.add(call)

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
        """Turn an INSERT into an upsert on the key `target`.

        Where the row exists, the columns `replace` take the new values, and those of `update` are set.
        """
        changes = {"preserve": list(replace), "update": update or {}}
        if self.is_mysql:
            return query.on_conflict(**changes)
        return query.on_conflict(conflict_target=list(target), **changes)

    def values(self, rows: Sequence[Sequence[Any]]) -> peewee.SQL:
        """A VALUES list for `insert_from`.

        SQL is written as it is; so are integers, NULL and '', because PyMySQL's escaping is the main cost of a row:
        executemany takes up to 2.8 times the CPU (docs/performance.md), peewee's insert_many ten times.
        """
        parameters: list[Any] = []

        def written(value: Any) -> str:
            if isinstance(value, peewee.SQL):
                return str(value.sql)
            if type(value) is int or value == 0:
                return str(int(value))
            if value is None or value == "":
                return "NULL" if value is None else "''"
            parameters.append(value)
            return self._parameter

        lines = [f"({', '.join([written(value) for value in row])})" for row in rows]
        return Literal(f"VALUES {', '.join(lines)}", parameters)

    def listed(self, values: Sequence[Any]) -> peewee.SQL:
        """The right side of an IN, without a peewee node per value."""
        return Literal(f"({', '.join([self._parameter] * len(values))})", values)

    def text_of(self, query: Any) -> str:
        """The query's SQL in this dialect, to run by `execute` with other parameters."""
        text: str = self.peewee.get_sql_context().sql(query).query()[0]  # type: ignore[no-untyped-call]
        return text

    def close(self) -> None:
        """Close this thread's connection."""
        if not self.peewee.is_closed():
            self.peewee.close()

    def _committed(self, work: Callable[[], T], mark: int) -> T:
        retries = self._retries
        with self.session():
            for attempt in range(retries.tries):
                self._after.forget(mark)
                try:
                    with self._turns, self._atomic():
                        return work()
                except peewee.OperationalError as error:
                    if attempt == retries.tries - 1 or not is_contention(error):
                        raise
                    log.info("retrying a transaction: %s", brief(error))
                    counts.add(metrics.LOCK_WAITS)
                    self._sleep(random.uniform(retries.pause_min, retries.pause_max) * 2**attempt)
            raise AssertionError("unreachable")

    def _atomic(self) -> Any:
        return self.peewee.atomic() if self.is_mysql else self.peewee.atomic("IMMEDIATE")

    def _ensure_connected(self) -> None:
        if not self.peewee.is_closed():
            recent = self._monotonic() - getattr(self._used, "at", 0.0) < self._retries.idle
            if not self.is_mysql or (self._is_open() if recent else self._answers_ping()):
                return
            self._drop()
        self._connect()

    def _connect(self) -> None:
        for attempt in range(1, self._connect_tries + 1):
            try:
                self.peewee.connect(reuse_if_open=True)
            except (peewee.OperationalError, peewee.InterfaceError, DatabaseUnavailable) as error:
                log.warning("no database connection (try %d of %d): %s", attempt, self._connect_tries, brief(error))
                if attempt == self._connect_tries:
                    raise DatabaseUnavailable("The database cannot be reached.") from error
                self._sleep(self._connect_pause)
            else:
                self._used.at = self._monotonic()
                return

    def _is_open(self) -> bool:
        """Whether the connection is alive, without a round trip.

        An idle server writes only when it closes the connection, so a readable socket is dead.
        """
        try:
            connection: Any = self.peewee.connection()  # type: ignore[no-untyped-call]
            poll = select.poll()
            poll.register(connection._sock, select.POLLIN)
            return not poll.poll(0)
        except Exception:  # this side has closed it
            return False

    def _answers_ping(self) -> bool:
        try:
            connection: Any = self.peewee.connection()  # type: ignore[no-untyped-call]
            connection.ping(reconnect=False)
        except Exception:  # a dead socket raises many kinds of errors
            return False
        return True

    def _drop(self) -> None:
        try:
            self.close()
        except Exception as error:  # a broken connection may fail to close; it is discarded either way
            log.debug("closing a broken connection: %s", error)


def execute(db: peewee.Database, sql: str, values: Sequence[Any] = ()) -> Any:
    """Run SQL text and return the cursor."""
    return db.execute_sql(sql, values or None)  # type: ignore[no-untyped-call]


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk
