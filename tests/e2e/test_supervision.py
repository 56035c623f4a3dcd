"""`make run`: its listeners, a second start, bad settings, and children that are killed."""

from __future__ import annotations

import json
from collections.abc import Callable

import psutil
import pytest
import requests

from tests.e2e.cart_client import SEED, Cart
from tests.e2e.local_system import LocalSystem, alive, eventually

Make = Callable[..., LocalSystem]
CHILDREN = ("weed", "moto.server", "pacifica.archiveinterface", "-m workers", "chalicelib.sweeper", "asgi:application")


def test_every_listener_is_on_the_loopback(system: LocalSystem) -> None:
    listeners = [
        connection.laddr
        for process in system.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listeners) >= 4
    assert {address.ip for address in listeners} == {"127.0.0.1"}


def test_each_worker_is_one_process(system: LocalSystem) -> None:
    assert len(system.running("-m", "workers")) == 2


def test_a_second_start_names_the_running_system(system: LocalSystem) -> None:
    output = system.home.parent / "second.txt"
    assert system.launch("run", output).wait(20) == 1
    assert f"process {system.pid}, port {system.port}" in output.read_text()
    assert alive(psutil.Process(system.pid))


def test_a_taken_port_is_reported_with_its_process(system: LocalSystem, new_system: Make) -> None:
    other = new_system(PORT=str(system.port))
    output = other.home.parent / "other.txt"
    assert other.launch("run", output).wait(20) == 1
    assert f"port {system.port} is taken by process" in output.read_text()


def test_all_bad_settings_are_reported_at_once(new_system: Make) -> None:
    other = new_system(PULL_CONCURRENCY="none", LEASE="-1")
    output = other.home.parent / "other.txt"
    assert other.launch("run", output).wait(20) == 1
    assert "PULL_CONCURRENCY" in output.read_text()
    assert "LEASE" in output.read_text()


@pytest.mark.parametrize("words", CHILDREN)
def test_a_killed_child_restarts_and_carts_work_again(system: LocalSystem, words: str) -> None:
    before = system.running(words)
    assert before
    victim = min(before, key=lambda process: process.create_time())  # a server's main process, not its workers
    victim.kill()

    def restarted() -> bool:
        now = system.running(words)
        return len(now) == len(before) and victim.pid not in {process.pid for process in now}

    assert eventually(restarted, within=3.0)
    assert eventually(lambda: _api_works(system) and _queue_exists(system), within=10.0)
    cart = Cart(system.url).post(*SEED)
    assert cart.wait() == "ready"
    assert len(cart.files()) == 3


def _api_works(system: LocalSystem) -> bool:
    try:
        return Cart(system.url).head().status_code == 404
    except OSError:
        return False


def _queue_exists(system: LocalSystem) -> bool:
    """moto loses its queues when it dies; a job sent before they exist again would wait for the sweep."""
    port = json.loads((system.home / "ports.json").read_text())["sqs"]
    try:
        return "pacifica-cart-jobs" in requests.get(f"http://127.0.0.1:{port}/moto-api/data.json", timeout=5).text
    except OSError:
        return False
