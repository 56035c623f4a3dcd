"""A MySQL server for the tests: the one that MYSQL_HOST names, or a MariaDB of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymysql

START_TIMEOUT, TRIES = 60.0, 3
MEMORY, LEAST_MEMORY = "/dev/shm", 2 << 30  # bytes: of a server for each of some processes


@contextlib.contextmanager
def server(*options: str) -> Iterator[dict[str, str] | None]:
    """The MYSQL_* variables of a server whose user may create databases; None if none is installed.

    With `options`, always starts a server, with these options.
    """
    if os.environ.get("MYSQL_HOST") and not options:
        yield {name: value for name, value in os.environ.items() if name.startswith("MYSQL_")}
        return
    daemon, installer = _find("mariadbd"), shutil.which("mariadb-install-db")
    if daemon is None or installer is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="cart-mariadb-", dir=_in_memory(), ignore_cleanup_errors=True) as folder:
        yield from _own(Path(folder), daemon, installer, options)


def can_start() -> bool:
    """Whether `server` has one to give."""
    installed = _find("mariadbd") is not None and shutil.which("mariadb-install-db") is not None
    return bool(os.environ.get("MYSQL_HOST")) or installed


@contextlib.contextmanager
def new_database(server_variables: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variables of an empty database on that server; it is dropped at the end."""
    name = f"cart_{uuid.uuid4().hex[:12]}"
    run(server_variables, f"CREATE DATABASE {name}")
    try:
        yield {**server_variables, "MYSQL_DATABASE": name}
    finally:
        run(server_variables, f"DROP DATABASE {name}")


def _in_memory() -> str | None:
    """A directory in memory, if there is room: on a disk, creating the tables of a test takes three times as long."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= LEAST_MEMORY
    return MEMORY if has_room else None


def _own(folder: Path, daemon: str, installer: str, options: Sequence[str]) -> Iterator[dict[str, str]]:
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = folder / "data"
    # A server clears leftovers of temporary tables from its tmpdir as it starts, so each needs a tmpdir of its own.
    places = [f"--datadir={data}", f"--tmpdir={folder}"]
    install = [installer, "--no-defaults", *user, *places, "--auth-root-authentication-method=normal"]
    done = subprocess.run([*install, "--skip-test-db"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cannot create MariaDB's system tables: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    command = [daemon, "--no-defaults", *user, *places, f"--socket={folder}/s"]
    fast = ["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
    fast.append("--innodb-stats-persistent-sample-pages=10000")  # ANALYZE counts, so that plans do not depend on chance
    variables, process = _started([*command, *fast, *options], data, folder / "log")
    try:
        yield variables
    finally:
        process.terminate()
        process.wait(20)


def _started(command: Sequence[str], data: Path, log: Path) -> tuple[dict[str, str], subprocess.Popen[bytes]]:
    """Start the server and wait until it answers; try another port if some process took the first."""
    for _ in range(TRIES):
        port = str(_free_port())
        with open(log, "wb") as out:
            process = subprocess.Popen([*command, f"--port={port}"], stdout=out, stderr=out)
        variables = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": port, "MYSQL_USER": "root", "MYSQL_PASSWORD": ""}
        if _answers(variables, process, data):
            return variables, process
        process.kill()
        process.wait()
    raise RuntimeError(f"MariaDB did not start: {log.read_text()[-2000:]}")


def _answers(variables: dict[str, str], process: subprocess.Popen[bytes], data: Path) -> bool:
    """Wait for an answer. False if the process ends, or another server has the port."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return Path(run(variables, "SELECT @@datadir")[0]) == data
        except pymysql.MySQLError:
            time.sleep(0.05)
    return False


def run(variables: dict[str, str], statement: str) -> Sequence[str]:
    """Run a statement; returns its first row."""
    connection = pymysql.connect(
        host=variables["MYSQL_HOST"],
        port=int(variables.get("MYSQL_PORT") or 3306),
        user=variables.get("MYSQL_USER", "root"),
        password=variables.get("MYSQL_PASSWORD", ""),
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() or ()


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
