"""A service of the local system, and the child process that currently runs it.

Every child has its own process group: a terminal's Ctrl-C reaches only the supervisor, and the supervisor can kill
whatever a child leaves behind. One thread per process waits for its exit and posts an event, so nothing polls for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
PROBE_INTERVAL = 0.05
#: A process with less uptime than this in seconds exited early and would probably do so again.
MIN_UPTIME = 2.0
MAX_LOG_SIZE = 8 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """What to run. After every start, `is_ready` is polled until it returns true; then `when_ready` runs."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path = ROOT
    is_ready: Callable[[], bool] = lambda: True
    when_ready: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Exited:
    child: Child
    code: int


@dataclass(frozen=True, slots=True)
class Ready:
    child: Child
    pid: int
    failure: str = ""


@dataclass(slots=True)
class Backoff:
    """The delay before a restart: none for the first early exits in a row, then doubling up to 10 s."""

    early_exits: int = 0

    def next_delay(self, uptime: float) -> float:
        """Seconds to wait before the next start, given the uptime in seconds of the process that exited."""
        self.early_exits = self.early_exits + 1 if uptime < MIN_UPTIME else 0
        return 0.0 if self.early_exits < 3 else min(0.25 * 2 ** (self.early_exits - 3), 10.0)


@dataclass(slots=True, eq=False)
class Child:
    service: Service
    log: Path
    post: Callable[[Exited | Ready], None]
    backoff: Backoff = field(default_factory=Backoff)
    ready: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _log_start: int = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start the process. Call this from the supervisor's main thread only (see die_with_parent)."""
        self.ready = False
        self._log_start = _rotate(self.log)
        with self.log.open("ab") as log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *self.service.argv],
                env=dict(self.service.env),
                cwd=self.service.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started = time.monotonic()
        threading.Thread(target=self._reap, args=(process,), daemon=True).start()
        threading.Thread(target=self._await_readiness, args=(process,), daemon=True).start()

    def exited(self) -> float:
        """Record that the process has exited and kill what remains of its group. Returns its uptime in seconds."""
        self.signal_group(signal.SIGKILL)
        self._process = None
        self.ready = False
        return time.monotonic() - self._started

    def terminate(self) -> None:
        self._signal(os.kill, signal.SIGTERM)

    def signal_group(self, signum: signal.Signals) -> None:
        self._signal(os.killpg, signum)

    def last_lines(self, count: int = 12) -> str:
        """The last log lines since the process was last started, indented."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 20_000))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line[:200]}" for line in lines[-count:])

    def _signal(self, send: Callable[[int, int], None], signum: signal.Signals) -> None:
        if self._process is not None:
            try:
                send(self._process.pid, signum)
            except ProcessLookupError:
                pass  # it has just exited; the event is on its way

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        self.post(Exited(self, process.wait()))

    def _await_readiness(self, process: subprocess.Popen[bytes]) -> None:
        failure = ""
        while not self.service.is_ready():
            if process.returncode is not None:
                return
            time.sleep(PROBE_INTERVAL)
        try:
            self.service.when_ready()
        except Exception as error:
            failure = str(error)
        self.post(Ready(self, process.pid, failure))


def _rotate(log: Path) -> int:
    """Rename a log that has grown too long. Returns the offset at which the next process's lines begin."""
    size = log.stat().st_size if log.exists() else 0
    if size < MAX_LOG_SIZE:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0
