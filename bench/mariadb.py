"""The MariaDB server of all sides. It keeps its default durability: a commit is on disk before it returns."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql

from bench.processes import BenchFailed, running
from infra.local.ports import LOOPBACK

MISSING = "MariaDB is missing (on Debian and Ubuntu: apt-get install mariadb-server)"


class Server:
    def __init__(self, port: int, pid: int) -> None:
        """`pid`: the process to meter. One connection stays open, so each query here is exactly one statement."""
        self.port = port
        self.pid = pid
        self._own_queries = 0
        self._connection = pymysql.connect(host=LOOPBACK, port=port, user="root", autocommit=True)

    def questions(self) -> int:
        """SQL statements so far, except those of this method."""
        self._own_queries += 1
        return int(str(self._query("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])) - self._own_queries

    def close(self) -> None:
        self._connection.close()

    def recreate(self, database: str) -> None:
        """Drop the database if it exists and create an empty one."""
        self._query(f"DROP DATABASE IF EXISTS {database}")
        self._query(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")

    def version(self) -> str:
        return str(self._query("SELECT VERSION()")[0][0])

    def variables(self, database: str) -> dict[str, str]:
        """The cart's settings for this database."""
        return {
            "MYSQL_HOST": LOOPBACK,
            "MYSQL_PORT": str(self.port),
            "MYSQL_USER": "root",
            "MYSQL_PASSWORD": "",
            "MYSQL_DATABASE": database,
        }

    def url(self, database: str) -> str:
        return f"mysql://root@{LOOPBACK}:{self.port}/{database}"

    def _query(self, statement: str) -> list[tuple[object, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@contextmanager
def started(folder: Path, port: int, log: Path) -> Iterator[Server]:
    """Start a server with new, empty data in `folder`. Raises BenchFailed."""
    daemon, installer = _find("mariadbd"), _find("mariadb-install-db")
    user = ["--user=root"] if os.geteuid() == 0 else []
    data, socket = folder / "data", folder / "s"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install = [installer, "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal"]
    subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True)
    where = [f"--datadir={data}", f"--socket={socket}", f"--bind-address={LOOPBACK}", f"--port={port}"]
    command = [daemon, "--no-defaults", *user, *where, f"--pid-file={folder / 'pid'}", "--max-connections=500"]
    with running(command, log, lambda: _accepts_connections(port)) as pid, closing(Server(port, pid)) as server:
        yield server


def _accepts_connections(port: int) -> bool:
    try:
        Server(port, 0).close()
    except pymysql.MySQLError:
        return False
    return True


def _find(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchFailed(MISSING)
    return found
