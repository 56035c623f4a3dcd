"""An operator who acts at random while carts are made, and whose commands are killed now and then."""

from __future__ import annotations

import subprocess
import sys
import time

from infra.local.process import ROOT
from tests.chaos.faults import Fault

TIMEOUT = 60.0  # seconds until pulling is resumed


class OperatorActs(Fault):
    """fixit, retry, release, evict, reconcile, redrive, sweep and pauses, of carts and jobs at random."""

    _running: subprocess.Popen[bytes] | None = None

    def tick(self) -> None:
        if self._running is not None and self._running.poll() is None:
            if self.happens(0.3):
                self._running.kill()
            return
        self._running = self._start(*self._act())

    def end(self) -> None:
        if self._running is not None:  # it may be about to pause
            self._running.kill()
            self._running.wait()
        deadline = time.monotonic() + TIMEOUT
        while self._start("resume", "pulling").wait() and time.monotonic() < deadline:
            time.sleep(0.2)

    def _act(self) -> tuple[str, ...]:
        uids = [row[0] for row in self.site.database.query("SELECT uid FROM carts WHERE live = 1")] or ["none"]
        jobs = [str(row[0]) for row in self.site.database.query("SELECT id FROM jobs")] or ["1"]
        acts: list[tuple[str, ...]] = [
            ("fixit", *self.rng.sample(uids, min(3, len(uids)))),
            ("retry", self.rng.choice(uids)),
            ("release", self.rng.choice(jobs)),
            ("cache", "evict", "--all-unused", "--no-wait", "--yes"),
            ("cache", "evict", "--least-used", "1M", "--no-wait", "--yes"),
            ("purge", "--time-ago", "1 hour", "--yes"),
            ("reconcile", "--yes"),
            ("queue", "redrive"),
            ("sweep",),
            ("pause", "pulling", "--why", "chaos", "--yes"),
            ("resume", "pulling"),
        ]
        return self.rng.choice(acts)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "chalicelib.admin", *words],
            cwd=ROOT,
            env=self.site.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


OPERATOR_FAULTS = (OperatorActs,)
