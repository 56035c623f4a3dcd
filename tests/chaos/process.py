"""One process of the system under test: starts, signals, kills and restarts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import die_with_parent
from infra.local.process import ROOT


@dataclass(eq=False)
class Child:
    """A process that dies with this one, however this one ends; for that, start it only from the main thread."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path = ROOT
    #: False: do not restart it.
    keep_running: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        command = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *self.argv]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Signals this process only, not its group; does nothing if it is not running."""
        if self.alive:
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """kill -9 of the process and all of its group; returns when the process is gone."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the whole group has exited
        self._process.wait(20)

    def restart_if_dead(self) -> None:
        """What the orchestrator does in production."""
        if self.keep_running and not self.alive:
            self.kill_group()
            self.start()
