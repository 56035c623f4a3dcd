"""The systems of docker-compose.yml and compose.production.yml, with ports and image storage of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose import base_images
from tests.compose.engine import Engine, missing_programs
from tests.compose.site import Site
from tests.compose.system import System
from tests.e2e.local_system import free_port
from tests.programs import skip_or_fail

#: `make test` skips these tests, which build images for minutes. `make test-compose` sets the variable.
collect_ignore_glob = [] if os.environ.get("COMPOSE_TEST") else ["test_*.py"]

#: Variables of the caller that docker-compose.yml would use.
REMOVED_VARIABLES = ("MYSQL_", "DATABASE_", "ARCHIVE_INTERFACE_URL", "LRU_BUFFER_TIME", "STORE_", "CART_")


@pytest.fixture(scope="session")
def engine() -> Engine:
    reason = missing_programs()
    if reason:
        skip_or_fail(reason)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("COMPOSE_TEST_HOME") or cache / "pacifica-data-cart" / "compose")
    for name in [name for name in os.environ if name.startswith(REMOVED_VARIABLES)]:
        del os.environ[name]
    ports = {name: str(free_port()) for name in ("CART_PORT", "STORE_PORT", "ARCHIVE_PORT")}
    started = Engine(home, ports)
    base_images.provide(started)
    return started


@pytest.fixture(scope="session")
def system(engine: Engine) -> Iterator[System]:
    running = System(engine)
    running.down("-v")  # remove what a killed run left behind
    running.engine.compose("build", timeout=1500)
    try:
        running.up()
        yield running
    finally:
        running.down("-v")
        running.engine.prune()


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    running = Site(engine, tmp_path_factory.mktemp("site"))
    running.down()
    running.engine.compose("build", timeout=1500)
    try:
        running.up()
        yield running
    finally:
        running.down()
