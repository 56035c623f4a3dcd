"""Processes that die, are told to end, stand still, or have another idea of the time."""

from __future__ import annotations

import random
import signal
import time

from tests.chaos import carts, steps
from tests.chaos.carts import Wish
from tests.chaos.faults import Fault
from tests.chaos.process import Child
from tests.chaos.site import LEASE, Site


class WorkersKilled(Fault):
    """kill -9 of a random worker, again and again."""

    def tick(self) -> None:
        if self.often(1.5):
            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


class AllWorkersKilled(Fault):
    """kill -9 of all workers at one moment, as when their machine dies."""

    def begin(self) -> None:
        self._at = time.monotonic() + self.rng.uniform(0.1, 2.0)

    def tick(self) -> None:
        if self._at and time.monotonic() > self._at:
            self._at = 0.0
            for worker in self.site.workers:
                worker.signal(signal.SIGKILL)


class WorkersTerminated(Fault):
    """A storm of SIGTERM, as an autoscaler sends them."""

    def tick(self) -> None:
        if self.often(3):
            self.rng.choice(self.site.workers).signal(signal.SIGTERM)


class WorkersFrozen(Fault):
    """Workers that stand still for longer than their lease, and then go on as if nothing had happened."""

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
    """kill -9 of whoever reaches a named step first."""

    def __init__(self, site: Site, rng: random.Random, step: str) -> None:
        super().__init__(site, rng)
        self._step = step

    @property
    def name(self) -> str:
        return f"DeathAtStep:{self._step}"

    def begin(self) -> None:
        # The worker that runs as it is delivered cannot die at a step: it stands aside.
        if self._step in steps.WORKER:
            self.site.children["worker-1"].signal(signal.SIGSTOP)
        (self.site.armed / self._step).touch()

    def end(self) -> None:
        (self.site.armed / self._step).unlink(missing_ok=True)
        self.site.children["worker-1"].signal(signal.SIGCONT)


class Poison(Fault):
    """A cart whose every attempt kills its worker; the others have to go on."""

    ends_last = True

    def wishes(self, label: str) -> list[Wish]:
        return [carts.poison(self.rng, label)]

    def begin(self) -> None:
        self.site.children["worker-1"].wanted = False
        self.site.children["worker-1"].signal(signal.SIGTERM)

    def end(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._under_way():
            self.site.wait(0.5)
        self.site.children["worker-1"].wanted = True

    def _under_way(self) -> bool:
        rows = self.site.database.rows("SELECT state FROM carts WHERE live = 1 AND uid LIKE '%-poison'")
        return any(state not in ("ready", "error") for (state,) in rows)


class ApiKilled(Fault):
    """kill -9 of the API's processes under its clients."""

    def tick(self) -> None:
        if self.often(1):
            self.site.children["api"].kill_group()


class SweeperKilled(Fault):
    """kill -9 of the sweeper, again and again, while messages are lost to a dying worker."""

    def tick(self) -> None:
        if self.often(2):
            self.site.children["sweeper"].signal(signal.SIGKILL)
        if self.often(0.7):
            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


class ClockJumps(Fault):
    """One worker's clock is hours or weeks off, and jumps."""

    def begin(self) -> None:
        self._jump()

    def tick(self) -> None:
        if self.often(1):
            self._jump()
        if self.often(0.5):
            self.rng.choice(self.site.workers[:-1]).signal(signal.SIGKILL)

    def end(self) -> None:
        self.site.clock.write_text("0")

    def _jump(self) -> None:
        self.site.clock.write_text(str(self.rng.choice([-864000, -3600, -30, 30, 3600, 864000, 31536000])))


PROCESS = (
    WorkersKilled, AllWorkersKilled, WorkersTerminated, WorkersFrozen, Poison, ApiKilled, SweeperKilled, ClockJumps,
)  # fmt: skip
