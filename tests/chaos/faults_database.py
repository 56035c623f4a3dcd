"""Faults of the database: it dies, drops or refuses connections, is read-only, holds locks, deadlocks or stalls."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pymysql

from tests.chaos.database import NAME, Connection
from tests.chaos.faults import Fault

LOCK_TIMEOUT = 10.0  # seconds after which the product's sessions stop waiting for a lock


class DatabaseKilled(Fault):
    """kill -9 of the server; it restarts some seconds later."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 1.5))
        self.site.database.kill()

    def end(self) -> None:
        self.site.database.start()


class DatabaseStopped(Fault):
    """An orderly restart: SIGTERM, and a new server some seconds later."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 1.5))
        self.site.database.child.signal(signal.SIGTERM)

    def end(self) -> None:
        self.site.database.kill()
        self.site.database.start()


class ConnectionsCut(Fault):
    """All connections of the product are killed, again and again."""

    def tick(self) -> None:
        if self.happens(3):
            self.site.database.kill_connections()


class DatabaseReadOnly(Fault):
    """SET GLOBAL read_only, as after a failover."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self.site.database.execute("SET GLOBAL read_only = 1")

    def end(self) -> None:
        self.site.database.execute("SET GLOBAL read_only = 0")


class ConnectionsRefused(Fault):
    """max_connections is so low that the server refuses most of the product's connections."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self._connection = self.site.database.connect()  # kept: `end` could not open another
        self._connection.cursor().execute("SET GLOBAL max_connections = 10")
        for number in self.site.database.product_connections(self._connection):
            self.site.database.kill_connection(self._connection, number)

    def end(self) -> None:
        self._connection.cursor().execute("SET GLOBAL max_connections = 300")
        self._connection.close()


class _Locks(Fault):
    """A transaction of the harness that holds locks."""

    _transaction: Connection

    def lock(self, *statements: str) -> None:
        self._transaction = self.site.database.connect(NAME)
        with self._transaction.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 2")
            for statement in statements:
                with suppress(pymysql.MySQLError):  # the server may choose this transaction as the deadlock's victim
                    cursor.execute(statement)

    def release(self) -> None:
        self._transaction.rollback()
        self._transaction.close()


class LocksKept(_Locks):
    """Rows that every worker needs stay locked for longer than the lock timeout."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.1, 0.5))
        self.lock("SELECT * FROM volume FOR UPDATE", "SELECT * FROM jobs FOR UPDATE")

    def end(self) -> None:
        self.site.wait(LOCK_TIMEOUT - 2)
        self.release()


class Deadlocks(_Locks):
    """Transactions take the same locks as the product, in random order."""

    def begin(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._collide, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _collide(self) -> None:
        tables = ["volume", "jobs", "carts", "windows", "staged_files"]
        while not self._stop.wait(0.05):
            self.rng.shuffle(tables)
            self.lock(*(f"SELECT * FROM {table} LIMIT 20 FOR UPDATE" for table in tables))
            self.release()


class DatabaseStalls(Fault):
    """Writes block for some seconds without an error."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self._connection = self.site.database.connect()
        self._connection.cursor().execute("FLUSH TABLES WITH READ LOCK")

    def end(self) -> None:
        self._connection.close()


DATABASE_FAULTS = (
    DatabaseKilled, DatabaseStopped, ConnectionsCut, ConnectionsRefused, DatabaseReadOnly, LocksKept, Deadlocks,
    DatabaseStalls,
)  # fmt: skip
