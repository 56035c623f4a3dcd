"""Servers that several suites share, each started once per test process: MariaDB and moto."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration import mariadb


@pytest.fixture(scope="session")
def mysql() -> Iterator[dict[str, str]]:
    with mariadb.server() as variables:
        if variables is None:
            message = "no MariaDB or MySQL here: install mariadb-server, or set MYSQL_HOST"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        yield variables


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The endpoint of moto."""
    from moto.server import ThreadedMotoServer  # takes a second to import, which the unit tests do not need

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
