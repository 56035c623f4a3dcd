"""Servers that several suites share, each started once per test process: MariaDB and moto."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration import mariadb
from tests.programs import skip_or_fail


@pytest.fixture(scope="session")
def mysql() -> Iterator[dict[str, str]]:
    with mariadb.server() as variables:
        if variables is None:
            skip_or_fail("no MariaDB or MySQL here: install mariadb-server, or set MYSQL_HOST")
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
