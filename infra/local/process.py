"""One service of the local system and the process that is it now.

Every child has a process group of its own, so a terminal's Ctrl-C reaches the supervisor alone and whatever a child
leaves behind can be ended with it. A thread waits for each process and posts its end: nobody polls.
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

from infra.local import tether

ROOT = Path(__file__).resolve().parents[2]
PROBE_EVERY = 0.05
#: A process that lived shorter died at once: it would do so again.
AT_ONCE = 2.0
LOG_KEPT = 8 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """What to run. `is_ready` is asked until it says yes; then `when_ready` runs, after every start anew."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path = ROOT
    is_ready: Callable[[], bool] = lambda: True
    when_ready: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Ended:
    child: Child
    code: int


@dataclass(frozen=True, slots=True)
class Ready:
    child: Child
    pid: int
    failure: str = ""


@dataclass(slots=True)
class Backoff:
    """When to start again: at once, unless it keeps dying at once."""

    streak: int = 0

    def died(self, lived: float) -> float:
        """Seconds to wait before the next start, given how long the process lived."""
        self.streak = self.streak + 1 if lived < AT_ONCE else 0
        return 0.0 if self.streak < 3 else min(0.25 * 2 ** (self.streak - 3), 10.0)


@dataclass(slots=True, eq=False)
class Child:
    service: Service
    log: Path
    post: Callable[[Ended | Ready], None]
    backoff: Backoff = field(default_factory=Backoff)
    ready: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _log_from: int = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Only from the supervisor's main thread (see tether)."""
        self.ready = False
        self._log_from = _shorten(self.log)
        with self.log.open("ab") as log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *self.service.argv],
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

    def ended(self) -> float:
        """Note that the process is gone and end what it left of its group; how many seconds it lived."""
        self.signal_group(signal.SIGKILL)
        self._process = None
        self.ready = False
        return time.monotonic() - self._started

    def ask_to_end(self) -> None:
        self._signal(os.kill, signal.SIGTERM)

    def signal_group(self, signum: signal.Signals) -> None:
        self._signal(os.killpg, signum)

    def last_lines(self, count: int = 12) -> str:
        """The end of what the process said since its last start."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_from, self.log.stat().st_size - 20_000))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line[:200]}" for line in lines[-count:])

    def _signal(self, send: Callable[[int, int], None], signum: signal.Signals) -> None:
        if self._process is not None:
            try:
                send(self._process.pid, signum)
            except ProcessLookupError:
                pass  # it has just ended; its end is on the way to us

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        self.post(Ended(self, process.wait()))

    def _await_readiness(self, process: subprocess.Popen[bytes]) -> None:
        failure = ""
        while not self.service.is_ready():
            if process.returncode is not None:
                return
            time.sleep(PROBE_EVERY)
        try:
            self.service.when_ready()
        except Exception as error:
            failure = str(error)
        self.post(Ready(self, process.pid, failure))


def _shorten(log: Path) -> int:
    """Put a long log aside before a start adds to it; where in the file that start's lines will begin."""
    size = log.stat().st_size if log.exists() else 0
    if size < LOG_KEPT:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0
