"""`make local`: `chalice local` beside a running system."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.cart_client import SEED, Cart
from tests.e2e.conftest import Make
from tests.e2e.local_system import LocalSystem, eventually, free_port


@pytest.fixture
def chalice(system: LocalSystem, tmp_path: Path) -> Iterator[str]:
    """The URL of `chalice local` beside the shared system."""
    port, output = free_port(), tmp_path / "out.txt"
    process = system.launch("chalice", output, LOCAL_PORT=str(port))
    url = f"http://127.0.0.1:{port}/"
    assert eventually(lambda: answers(url) or process.poll() is not None, within=60), output.read_text()
    assert process.poll() is None, output.read_text()
    yield url
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_a_cart_posted_to_chalice_local_is_made_by_the_systems_workers(chalice: str, system: LocalSystem) -> None:
    cart = Cart(chalice).post(*SEED)
    assert cart.wait() == "ready"
    assert cart.files()["1/2/3/foo.txt"] == (system.archive / "foo.txt").read_bytes()
    assert requests.head(f"{system.url}{cart.uid}", timeout=5).status_code == 204
    assert cart.delete().status_code == 200


def test_without_a_system_it_says_what_to_start(new_system: Make, tmp_path: Path) -> None:
    system = new_system()
    message = f"no system is running in {system.home}: start it with make run, or set its CART_HOME"
    assert refusal(system, tmp_path) == f"cannot run chalice local: {message}\n"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LOCAL_PORT": "eighty"}, "LOCAL_PORT must be a number from 1 to 65535 (it is 'eighty')"),
        ({"BUNDLE_TTL": "soon"}, "BUNDLE_TTL: must be a number"),
    ],
)
def test_a_bad_setting_is_named_at_start(
    system: LocalSystem, tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    assert message in refusal(system, tmp_path, **environ)


def test_a_taken_port_is_named_at_start(system: LocalSystem, tmp_path: Path) -> None:
    assert f"port {system.port} is taken by" in refusal(system, tmp_path, LOCAL_PORT=str(system.port))


def refusal(system: LocalSystem, folder: Path, **environ: str) -> str:
    process: subprocess.Popen[bytes] = system.launch("chalice", folder / "refusal.txt", **environ)
    assert process.wait(60) == 1
    return (folder / "refusal.txt").read_text()
