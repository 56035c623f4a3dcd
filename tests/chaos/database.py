"""A private MariaDB server, which the product uses as an unprivileged user, and the harm that faults do to it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pymysql

from infra.local.ports import LOOPBACK
from tests.chaos.process import Child

NAME, USER, PASSWORD = "chaos", "cartd", "chaos"
START_TIMEOUT = 60.0

Connection: TypeAlias = "pymysql.connections.Connection[Any]"


class MariaDB:
    def __init__(self, folder: Path, port: int, log: Path) -> None:
        """Creates an empty database in `folder` and starts the server."""
        self.port = port
        data = folder / "data"
        folder.mkdir(parents=True)
        # With a shared tmpdir, servers that start delete each other's temporary tables.
        command = ["--no-defaults", "--user=root", f"--datadir={data}", f"--tmpdir={folder}"]
        install = [_find("mariadb-install-db"), *command, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        address = [f"--socket={folder / 's'}", f"--bind-address={LOOPBACK}", f"--port={port}"]
        tuning = ["--skip-name-resolve", "--max-connections=300", "--innodb-buffer-pool-size=64M"]
        self.child = Child("database", [_find("mariadbd"), *command, *address, *tuning], {}, log)
        self.start()
        self.execute(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
        self.execute(f"CREATE USER '{USER}'@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}'")
        self.execute(f"GRANT ALL ON {NAME}.* TO '{USER}'@'{LOOPBACK}'")

    def variables(self) -> dict[str, str]:
        """The product's settings for this database."""
        address = {"MYSQL_HOST": LOOPBACK, "MYSQL_PORT": str(self.port), "MYSQL_DATABASE": NAME}
        return address | {"MYSQL_USER": USER, "MYSQL_PASSWORD": PASSWORD}

    def start(self) -> None:
        self.child.start()
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.execute("SELECT 1")
            except pymysql.MySQLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Like a power cut: committed data must be there again after `start`."""
        self.child.signal(signal.SIGKILL)
        self.child.kill_group()

    def connect(self, database: str | None = None) -> Connection:
        """A connection as root."""
        return pymysql.connect(host=LOOPBACK, port=self.port, user="root", database=database, connect_timeout=2)

    def execute(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as root and commit; returns its rows."""
        connection = self.connect(database)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
            connection.commit()
        return rows

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """`execute` in the product's database."""
        return self.execute(statement, NAME)

    def kill_connections(self) -> None:
        """KILL every connection of the product."""
        with self.connect() as connection:
            for number in self.product_connections(connection):
                self.kill_connection(connection, number)

    def product_connections(self, connection: Connection) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (USER,))
            return [number for (number,) in cursor.fetchall()]

    def kill_connection(self, connection: Connection, number: int) -> None:
        with connection.cursor() as cursor, suppress(pymysql.MySQLError):  # it may be closed already
            cursor.execute("KILL %s", (number,))


def _find(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"chaos: {name} is not installed (on Debian and Ubuntu: apt-get install mariadb-server)")
    return found
