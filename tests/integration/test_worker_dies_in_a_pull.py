"""Real workers that end in the middle of a large pull, killed and drained: the next one asks for the rest alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import MIB, assert_ready, content, manifest, until, volume

SIZE = 9 * MIB
NAME = f"gen-{SIZE}-large"
#: A worker to which smaller files are large ones.
WORKER = """
import sys
from workers import __main__
from workers.staging import pull_large
pull_large.PARTIAL_FROM = 1 << 20
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("database_variables", ["sqlite"], indirect=True)
def test_a_killed_and_a_drained_worker_leave_what_they_received_to_the_next(site_of: Callable[..., Site]) -> None:
    site = site_of(LEASE="2")
    site.simulator.control(bandwidth=6 * MIB)
    files = {NAME: content(NAME)}
    site.system.service.create(ANYONE, "one", manifest(files))
    with worker(site) as killed:
        until(lambda: received(site) > 2 * MIB, 30)
        killed.kill()
    with worker(site) as drained:
        until(lambda: received(site) > 4 * MIB, 30)
        drained.terminate()
        assert drained.wait(20) == 0
    assert received(site) > 4 * MIB
    with worker(site):
        assert_ready(site, "one", files)
    counts = site.simulator.stats()["ids"][NAME]
    assert counts["gets"] == 3
    assert counts["bytes"] < SIZE + 3 * MIB, "a worker asked again for what was there"


@contextmanager
def worker(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WORKER], env=os.environ | site.variables, cwd=Path.cwd())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def received(site: Site) -> int:
    """Bytes in temporary files."""
    total = 0
    for path in (volume(site) / "tmp").glob("*"):
        with suppress(FileNotFoundError):  # it has been renamed
            total += path.stat().st_size
    return total
