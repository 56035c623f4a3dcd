"""Faults of processes: they are killed, terminated or frozen, or their clock is wrong."""

from __future__ import annotations

import random
import signal
import time

from tests.chaos import steps
from tests.chaos.clients import Scenario, poison_scenario
from tests.chaos.faults import Fault
from tests.chaos.process import Child
from tests.chaos.site import LEASE, Site

POISON_TIMEOUT = 90.0


class WorkersKilled(Fault):
    """kill -9 of a random worker, again and again."""

    def tick(self) -> None:
        if self.happens(1.5):
            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


class AllWorkersKilled(Fault):
    """kill -9 of all workers at once, as when their machine dies."""

    def begin(self) -> None:
        self._at = time.monotonic() + self.rng.uniform(0.1, 2.0)

    def tick(self) -> None:
        if self._at and time.monotonic() > self._at:
            self._at = 0.0
            for worker in self.site.workers:
                worker.signal(signal.SIGKILL)


class WorkersTerminated(Fault):
    """SIGTERM to random workers, again and again, as from an autoscaler."""

    def tick(self) -> None:
        if self.happens(3):
            self.rng.choice(self.site.workers).signal(signal.SIGTERM)


class WorkersFrozen(Fault):
    """Two workers freeze for longer than their lease and then continue."""

    _frozen: list[Child]

    def begin(self) -> None:
        self._at = time.monotonic() + self.rng.uniform(0.1, 1.0)
        self._frozen = []

    def tick(self) -> None:
        if not self._frozen and time.monotonic() > self._at:
            self._frozen = self.rng.sample(self.site.workers, 2)
            for worker in self._frozen:
                worker.signal(signal.SIGSTOP)

    def end(self) -> None:
        self.site.wait(LEASE + self.rng.uniform(0, 3))
        for worker in self._frozen:
            worker.signal(signal.SIGCONT)


class DeathAtStep(Fault):
    """kill -9 of the first process that reaches a named step."""

    def __init__(self, site: Site, rng: random.Random, step: str) -> None:
        super().__init__(site, rng)
        self._step = step

    @property
    def name(self) -> str:
        return f"DeathAtStep:{self._step}"

    def begin(self) -> None:
        # worker-1 runs without the steps, so freeze it: another worker has to reach the step.
        if self._step in steps.WORKER:
            self.site.children["worker-1"].signal(signal.SIGSTOP)
        (self.site.armed / self._step).touch()

    def end(self) -> None:
        (self.site.armed / self._step).unlink(missing_ok=True)
        self.site.children["worker-1"].signal(signal.SIGCONT)


class Poison(Fault):
    """A cart kills the worker of every attempt; the other carts must still be made."""

    ends_last = True

    def scenarios(self, label: str) -> list[Scenario]:
        return [poison_scenario(label)]

    def begin(self) -> None:
        # worker-1 runs without the poison and would make the cart.
        self.site.children["worker-1"].keep_running = False
        self.site.children["worker-1"].signal(signal.SIGTERM)

    def end(self) -> None:
        deadline = time.monotonic() + POISON_TIMEOUT
        while time.monotonic() < deadline and self._unfinished():
            self.site.wait(0.5)
        self.site.children["worker-1"].keep_running = True

    def _unfinished(self) -> bool:
        rows = self.site.database.query("SELECT state FROM carts WHERE live = 1 AND uid LIKE '%-poison'")
        return any(state not in ("ready", "error") for (state,) in rows)


class ApiKilled(Fault):
    """kill -9 of all processes of the API while clients use it."""

    def tick(self) -> None:
        if self.happens(1):
            self.site.children["api"].kill_group()


class SweeperKilled(Fault):
    """kill -9 of the sweeper, again and again, while killed workers lose messages."""

    def tick(self) -> None:
        if self.happens(2):
            self.site.children["sweeper"].signal(signal.SIGKILL)
        if self.happens(0.7):
            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


class ClockJumps(Fault):
    """The clock of one worker jumps by seconds to months, while the other workers are killed."""

    def begin(self) -> None:
        self._jump()

    def tick(self) -> None:
        if self.happens(1):
            self._jump()
        if self.happens(0.5):
            self.rng.choice(self.site.workers[:-1]).signal(signal.SIGKILL)

    def end(self) -> None:
        self.site.clock.write_text("0")

    def _jump(self) -> None:
        self.site.clock.write_text(str(self.rng.choice([-864000, -3600, -30, 30, 3600, 864000, 31536000])))


PROCESS_FAULTS = (
    WorkersKilled, AllWorkersKilled, WorkersTerminated, WorkersFrozen, Poison, ApiKilled, SweeperKilled, ClockJumps,
)  # fmt: skip
