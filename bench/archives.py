"""The archives that files are pulled from: the real interface under gunicorn and the simulator. Both count requests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.processes import running
from infra.local import archive
from infra.local.archive_simulator import RunningSimulator
from infra.local.home import Home
from infra.local.ports import LOOPBACK
from infra.local.probes import http_get
from infra.local.process import ROOT

REQUEST_COUNTER = Path(__file__).with_name("gunicorn_request_counter.py")


class Archive(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int: ...

    def requests(self) -> int:
        """File requests answered so far."""


@dataclass(frozen=True, slots=True)
class RealArchive:
    url: str
    pid: int
    counts: Path
    name: str = "real"

    def requests(self) -> int:
        return self.counts.stat().st_size


@dataclass(frozen=True, slots=True)
class SimulatedArchive:
    url: str
    pid: int
    name: str = "simulator"

    def requests(self) -> int:
        totals = RunningSimulator(self.url).stats()["totals"]
        return int(totals["heads"]) + int(totals["gets"]) + int(totals["recalls"])

    def set_latency(self, milliseconds: float) -> None:
        """Delay every response from now on."""
        RunningSimulator(self.url).control(latency_ms=milliseconds)


@contextmanager
def real(files: Path, folder: Path, port: int, log: Path) -> Iterator[RealArchive]:
    """Run the archive interface over `files` with the gunicorn options of `make run`."""
    home = _home_of(files, folder)
    archive.prepare(home)
    counts = folder / "requests"
    counts.write_bytes(b"")
    env = archive.environment(os.environ, home) | {"REQUESTS_FILE": str(counts)}
    command = (*archive.command(os.environ, port), "-c", str(REQUEST_COUNTER))
    with running(command, log, lambda: _is_up(port), env=env, cwd=home.archive_config) as pid:
        counts.write_bytes(b"")
        yield RealArchive(f"http://{LOOPBACK}:{port}/", pid, counts)


@contextmanager
def simulator(files: Path, port: int, log: Path) -> Iterator[SimulatedArchive]:
    command = (sys.executable, "-m", "infra.local.archive_simulator", "--port", str(port), "--dir", str(files))
    with running(command, log, lambda: _is_up(port), cwd=ROOT) as pid:
        yield SimulatedArchive(f"http://{LOOPBACK}:{port}/", pid)


def _home_of(files: Path, folder: Path) -> Home:
    """A CART_HOME whose archive folder is a link to `files`."""
    home = Home(folder)
    home.create()
    home.archive.rmdir() if not home.archive.is_symlink() and home.archive.is_dir() else home.archive.unlink()
    home.archive.symlink_to(files, target_is_directory=True)
    return home


def _is_up(port: int) -> bool:
    response = http_get(port)
    return response is not None and response[0] == 200
