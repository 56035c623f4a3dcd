"""A MariaDB of our own, with the product as an unprivileged user, and what can be done to it."""

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
START_WITHIN = 60.0

Connection: TypeAlias = "pymysql.connections.Connection[Any]"


class MariaDB:
    def __init__(self, folder: Path, port: int, log: Path) -> None:
        """Made anew in `folder`, and started."""
        self.port = port
        data = folder / "data"
        folder.mkdir(parents=True)
        command = ["--no-defaults", "--user=root", f"--datadir={data}"]
        install = [_find("mariadb-install-db"), *command, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        where = [f"--socket={folder / 's'}", f"--bind-address={LOOPBACK}", f"--port={port}"]
        quick = ["--skip-name-resolve", "--max-connections=300", "--innodb-buffer-pool-size=64M"]
        self.child = Child("database", [_find("mariadbd"), *command, *where, *quick], {}, log)
        self.start()
        self.ask(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
        self.ask(f"CREATE USER '{USER}'@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}'")
        self.ask(f"GRANT ALL ON {NAME}.* TO '{USER}'@'{LOOPBACK}'")

    def variables(self) -> dict[str, str]:
        names = {"MYSQL_HOST": LOOPBACK, "MYSQL_PORT": str(self.port), "MYSQL_DATABASE": NAME}
        return names | {"MYSQL_USER": USER, "MYSQL_PASSWORD": PASSWORD}

    def start(self) -> None:
        self.child.start()
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                self.ask("SELECT 1", database=None)
            except pymysql.MySQLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """As a power cut: what was committed must be there again after `start`."""
        self.child.signal(signal.SIGKILL)
        self.child.kill_group()

    def connect(self, database: str | None = None) -> Connection:
        return pymysql.connect(host=LOOPBACK, port=self.port, user="root", database=database, connect_timeout=2)

    def ask(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        connection = self.connect(database)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
            connection.commit()
        return rows

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Of the product's tables."""
        return self.ask(statement, NAME)

    def cut_connections(self) -> None:
        """KILL every connection of the product."""
        with self.connect() as ours:
            for (number,) in self.product_connections(ours):
                self.kill_connection(ours, number)

    def product_connections(self, ours: Connection) -> list[tuple[Any, ...]]:
        with ours.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (USER,))
            return list(cursor.fetchall())

    def kill_connection(self, ours: Connection, number: int) -> None:
        with ours.cursor() as cursor, suppress(pymysql.MySQLError):  # it may have ended by itself
            cursor.execute("KILL %s", (number,))


def _find(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit("chaos: MariaDB is missing (on Debian and Ubuntu: apt-get install mariadb-server)")
    return found
