"""A database that dies, drops connections, will not write, keeps locks, or makes victims."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pymysql

from tests.chaos.database import NAME
from tests.chaos.faults import Fault

LOCK_TIMEOUT = 10.0  # seconds after which the product's sessions give up waiting for a lock


class DatabaseKilled(Fault):
    """kill -9 of the server, which is back some seconds later."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 1.5))
        self.site.database.kill()

    def end(self) -> None:
        self.site.database.start()


class DatabaseStopped(Fault):
    """An orderly restart: SIGTERM, and some seconds later a new server."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 1.5))
        self.site.database.child.signal(signal.SIGTERM)

    def end(self) -> None:
        self.site.database.kill()
        self.site.database.start()


class ConnectionsCut(Fault):
    """KILL of every connection of the product, again and again."""

    def tick(self) -> None:
        if self.often(3):
            self.site.database.cut_connections()


class DatabaseReadOnly(Fault):
    """SET GLOBAL read_only, as a failover leaves it."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self.site.database.ask("SET GLOBAL read_only = 1")

    def end(self) -> None:
        self.site.database.ask("SET GLOBAL read_only = 0")


class ConnectionsRefused(Fault):
    """Too many connections: most of the product's are refused."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self._ours = self.site.database.connect()  # one of our own would be refused as well
        self._ours.cursor().execute("SET GLOBAL max_connections = 10")
        for (number,) in self.site.database.product_connections(self._ours):
            self.site.database.kill_connection(self._ours, number)

    def end(self) -> None:
        self._ours.cursor().execute("SET GLOBAL max_connections = 300")
        self._ours.close()


class _Locks(Fault):
    """A transaction of ours that keeps locks."""

    _held: pymysql.connections.Connection[Any]

    def lock(self, *statements: str) -> None:
        self._held = self.site.database.connect(NAME)
        with self._held.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 2")
            for statement in statements:
                try:
                    cursor.execute(statement)
                except pymysql.MySQLError:
                    pass  # we were the victim this time

    def release(self) -> None:
        self._held.rollback()
        self._held.close()


class LocksKept(_Locks):
    """The rows everyone needs stay locked for longer than a lock is waited for."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.1, 0.5))
        self.lock("SELECT * FROM volume FOR UPDATE", "SELECT * FROM jobs FOR UPDATE")

    def end(self) -> None:
        self.site.wait(LOCK_TIMEOUT - 2)
        self.release()


class Deadlocks(_Locks):
    """Transactions that take the same locks in the opposite order."""

    def begin(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collide, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _collide(self) -> None:
        tables = ["volume", "jobs", "carts", "windows", "staged_files"]
        while not self._over.wait(0.05):
            self.rng.shuffle(tables)
            self.lock(*(f"SELECT * FROM {table} LIMIT 20 FOR UPDATE" for table in tables))
            self.release()


class DatabaseStalls(Fault):
    """Nothing is written for some seconds, and nothing is refused."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0, 0.5))
        self._lock = self.site.database.connect()
        self._lock.cursor().execute("FLUSH TABLES WITH READ LOCK")

    def end(self) -> None:
        self._lock.close()


DATABASE = (
    DatabaseKilled, DatabaseStopped, ConnectionsCut, ConnectionsRefused, DatabaseReadOnly, LocksKept, Deadlocks,
    DatabaseStalls,
)  # fmt: skip
