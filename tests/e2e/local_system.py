"""A local system as `make run` starts it, driven from outside: nothing of the product is imported in this folder."""

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
#: Variables of the caller that would make another system of it.
FOREIGN = ("PORT", "CART_HOME", "WORKERS", "VOLUME_PATH", "ARCHIVE_INTERFACE_URL", "SQLITE_PATH")
FOREIGN_FAMILIES = ("MYSQL_", "AWS_", "ARCHIVEI_")
#: Short enough to see what happens when something breaks.
HASTY = {"SWEEP_INTERVAL": "1", "LEASE": "4", "ARCHIVE_PATIENCE": "3", "WORKERS": "2"}


class LocalSystem:
    """State in `home`; starts and stops any number of times."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._environ = _clean_environment() | HASTY | {"PORT": str(self.port), "CART_HOME": str(home)} | environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> LocalSystem:
        self._process = self.launch("run", self.home.parent / "out.txt")
        assert eventually(lambda: "ready: " in self.output() or self._process_ended(), within=60), self.output()
        assert requests.get(self.url, timeout=5).status_code == 200, self.output()
        return self

    def launch(self, what: str, output: Path) -> subprocess.Popen[bytes]:
        """`python -m infra.local what` in this system's environment."""
        with output.open("wb") as out:
            command = [sys.executable, "-m", "infra.local", what]
            return subprocess.Popen(
                command, env=self._environ, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> float:
        """Seconds it took until every process was gone."""
        if self._process is None or self._process.poll() is not None:
            return 0.0
        begun = time.monotonic()
        processes = self.processes()
        self._process.send_signal(signum)
        self._process.wait(30)
        assert eventually(lambda: not [p for p in processes if alive(p)], within=20)
        return time.monotonic() - begun

    def output(self) -> str:
        return (self.home.parent / "out.txt").read_text()

    def log(self, name: str) -> str:
        return (self.home / "log" / f"{name}.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything under it."""
        supervisor = psutil.Process(self.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def running(self, *words: str) -> list[psutil.Process]:
        """Its processes whose command line holds these words, one after the other."""
        return [p for p in self.processes() if " ".join(words) in command_line(p)]

    def add_file(self, name: str, content: bytes) -> str:
        """Put a file into the archive; its id."""
        self.archive.mkdir(parents=True, exist_ok=True)
        (self.archive / name).write_bytes(content)
        return name

    def _process_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


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


def eventually(holds: Callable[[], object], within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {name: value for name, value in kept.items() if not name.startswith(FOREIGN_FAMILIES)}
