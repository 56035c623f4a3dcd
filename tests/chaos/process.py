"""One process of the system under test: started, killed, frozen, and looked after until the run ends."""

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
    """Ends with us, however we die (see die_with_parent); so it is started from the main thread only."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path = ROOT
    starts: int = 0
    wanted: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        self.starts += 1
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
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """To the process alone, as an operator does."""
        if self.alive:
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """kill -9 of the process and all it started, waited for."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all of it has ended
        self._process.wait(20)

    def tend(self) -> None:
        """Start it again if it has ended, as whatever supervises it in production does."""
        if self.wanted and not self.alive:
            self.kill_group()
            self.start()
