"""The system under test, as docker-compose.yml runs it."""

from __future__ import annotations

import time

import requests

from tests.compose.engine import Engine

START_TIMEOUT = 120.0


class System:
    """Starts and stops the containers; `url` is the API's address, `engine` runs podman."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = f"http://127.0.0.1:{engine.environ['CART_PORT']}/"
        self._store = f"http://127.0.0.1:{engine.environ['STORE_PORT']}/"
        self.archive = f"http://127.0.0.1:{engine.environ['ARCHIVE_PORT']}/"

    def up(self, *options: str) -> None:
        """Start the containers that are not running and wait until the API and the store answer."""
        self.engine.compose("up", "-d", *options)
        deadline = time.monotonic() + START_TIMEOUT
        for url, status in ((self.url, 200), (self._store, 403)):
            while not answers(url, status):
                assert time.monotonic() < deadline, f"{url} does not answer"
                time.sleep(0.5)

    def down(self, *options: str) -> None:
        self.engine.keep_logs()
        workers = self.engine.containers("cartworkers", "-a")
        self.engine.remove(*[name for name in workers if not name.endswith("_1")])
        self.engine.compose("down", *options)


def answers(url: str, status: int) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == status
    except requests.RequestException:
        return False
