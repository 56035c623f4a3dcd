"""The archives files are pulled from: the real interface under gunicorn, and the simulator. Both count requests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.children import running
from infra.local import archive
from infra.local.archive_simulator import RunningSimulator
from infra.local.home import Home
from infra.local.ports import LOOPBACK
from infra.local.probes import answers
from infra.local.process import ROOT

COUNTED = Path(__file__).with_name("counted_archive.py")


class TheArchive(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int: ...

    def requests(self) -> int:
        """Requests for files answered so far."""


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

    def answer_after(self, milliseconds: float) -> None:
        """The latency of every answer from now on."""
        RunningSimulator(self.url).control(latency_ms=milliseconds)


@contextmanager
def real(files: Path, folder: Path, port: int, log: Path) -> Iterator[RealArchive]:
    """The archive interface over `files`, with as many processes as `make run` gives it."""
    home = _home_of(files, folder)
    archive.prepare(home)
    counts = folder / "requests"
    counts.write_bytes(b"")
    env = archive.environment(os.environ, home) | {"REQUESTS_FILE": str(counts)}
    command = (*archive.command(os.environ, port), "-c", str(COUNTED))
    with running(command, log, lambda: _answers(port), env=env, cwd=home.archive_config) as pid:
        counts.write_bytes(b"")
        yield RealArchive(f"http://{LOOPBACK}:{port}/", pid, counts)


@contextmanager
def simulator(files: Path, port: int, log: Path) -> Iterator[SimulatedArchive]:
    command = (sys.executable, "-m", "infra.local.archive_simulator", "--port", str(port), "--dir", str(files))
    with running(command, log, lambda: _answers(port), cwd=ROOT) as pid:
        yield SimulatedArchive(f"http://{LOOPBACK}:{port}/", pid)


def _home_of(files: Path, folder: Path) -> Home:
    """A home whose archive folder is `files`."""
    home = Home(folder)
    home.make()
    home.archive.rmdir() if not home.archive.is_symlink() and home.archive.is_dir() else home.archive.unlink()
    home.archive.symlink_to(files, target_is_directory=True)
    return home


def _answers(port: int) -> bool:
    answer = answers(port)
    return answer is not None and answer[0] == 200
