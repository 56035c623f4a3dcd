"""Runs a local system as `make run` does. The tests in this folder import nothing of the product."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
#: Variables of the caller that would change the system.
NOT_INHERITED = ("PORT", "CART_HOME", "WORKERS", "VOLUME_PATH", "ARCHIVE_INTERFACE_URL", "SQLITE_PATH")
NOT_INHERITED_PREFIXES = ("MYSQL_", "AWS_", "ARCHIVEI_")
#: Short periods, so that recovery does not take long.
QUICK_SETTINGS = {"SWEEP_INTERVAL": "1", "LEASE": "3", "ARCHIVE_PATIENCE": "1", "WORKERS": "2"}


class LocalSystem:
    """A system with its state in `home`; can be started and stopped any number of times."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._environ = (
            _clean_environment() | QUICK_SETTINGS | {"PORT": str(self.port), "CART_HOME": str(home)} | environ
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> LocalSystem:
        """Returns when the system is ready."""
        self._process = self.launch("run", self.home.parent / "out.txt")
        assert eventually(lambda: "ready: " in self.output() or not self.is_running, within=60), self.output()
        assert requests.get(self.url, timeout=5).status_code == 200, self.output()
        return self

    def launch(self, what: str, output: Path, **environ: str) -> subprocess.Popen[bytes]:
        """Start `python -m infra.local` with the command `what` in this system's environment."""
        with output.open("wb") as out:
            command = [sys.executable, "-m", "infra.local", what]
            return subprocess.Popen(
                command, env=self._environ | environ, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> float:
        """Signal the supervisor and wait; returns the seconds until every process was gone."""
        if self._process is None or not self.is_running:
            return 0.0
        start = time.monotonic()
        processes = self.processes()
        self._process.send_signal(signum)
        self._process.wait(30)
        assert eventually(lambda: not [p for p in processes if alive(p)], within=20)
        return time.monotonic() - start

    def output(self) -> str:
        return (self.home.parent / "out.txt").read_text()

    def log(self, name: str) -> str:
        return (self.home / "log" / f"{name}.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all its descendants."""
        supervisor = psutil.Process(self.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def running(self, *words: str) -> list[psutil.Process]:
        """The system's processes whose command line contains these words in sequence."""
        return [p for p in self.processes() if " ".join(words) in command_line(p)]

    def add_file(self, name: str, content: bytes) -> str:
        """Put a file into the archive; returns its id."""
        self.archive.mkdir(parents=True, exist_ok=True)
        (self.archive / name).write_bytes(content)
        return name


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return ""
    return "" if "die_with_parent.py" in line else line  # about to become another program


def eventually(condition: Callable[[], object], within: float = 10.0) -> bool:
    """Whether the condition becomes true within so many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {name: value for name, value in environ.items() if not name.startswith(NOT_INHERITED_PREFIXES)}
