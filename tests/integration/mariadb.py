"""A MySQL server for the tests: the one MYSQL_HOST names, or one of their own."""

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

PATIENCE = 60.0


@contextlib.contextmanager
def server(*options: str) -> Iterator[dict[str, str] | None]:
    """The MYSQL_* variables of a server whose user may make databases; None where there is none to be had.

    With `options` it is one of our own, started with them.
    """
    if os.environ.get("MYSQL_HOST") and not options:
        yield {name: value for name, value in os.environ.items() if name.startswith("MYSQL_")}
        return
    daemon, installer = _find("mariadbd"), shutil.which("mariadb-install-db")
    if daemon is None or installer is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="cart-mariadb-", ignore_cleanup_errors=True) as folder:
        yield from _own(Path(folder), daemon, installer, options)


@contextlib.contextmanager
def new_database(server_variables: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variables of an empty database on that server, which goes at the end."""
    name = f"cart_{uuid.uuid4().hex[:12]}"
    run(server_variables, f"CREATE DATABASE {name}")
    try:
        yield {**server_variables, "MYSQL_DATABASE": name}
    finally:
        run(server_variables, f"DROP DATABASE {name}")


def _own(folder: Path, daemon: str, installer: str, options: Sequence[str]) -> Iterator[dict[str, str]]:
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = folder / "data"
    install = [installer, "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal"]
    made = subprocess.run([*install, "--skip-test-db"], capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"MariaDB's tables were not made: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    port = _free_port()
    command = [daemon, "--no-defaults", *user, f"--datadir={data}", f"--socket={folder}/s", f"--port={port}"]
    fast = ["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*command, *fast, *options], stdout=log, stderr=log)
    try:
        variables = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(port), "MYSQL_USER": "root", "MYSQL_PASSWORD": ""}
        _wait(variables, process, folder / "log")
        yield variables
    finally:
        process.terminate()
        process.wait(20)


def _wait(variables: dict[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            run(variables, "SELECT 1")
        except pymysql.MySQLError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return


def run(variables: dict[str, str], statement: str) -> None:
    connection = pymysql.connect(
        host=variables["MYSQL_HOST"],
        port=int(variables.get("MYSQL_PORT") or 3306),
        user=variables.get("MYSQL_USER", "root"),
        password=variables.get("MYSQL_PASSWORD", ""),
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
