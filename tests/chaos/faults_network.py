"""A network split: some workers and something they need do not hear each other, and no connection is closed."""

from __future__ import annotations

import random

from tests.chaos.faults import Fault
from tests.chaos.site import LEASE, WIRED, Site
from tests.chaos.wires import BACK, TO

DIRECTIONS = ((TO, BACK), (TO,), (BACK,))


class Split(Fault):
    """Between some workers, or all, and one service or all: what is sent is swallowed, both ways or one.

    It lasts for seconds; at times for longer than a lease.
    """

    def __init__(self, site: Site, rng: random.Random, service: str) -> None:
        super().__init__(site, rng)
        self._service = service
        services = WIRED if service == ALL else (service,)
        workers = rng.sample(range(site.worker_count), rng.randint(1, site.worker_count))
        self._wires = [site.wires[number][one] for number in workers for one in services]
        self._directions = rng.choice(DIRECTIONS)
        self._after = rng.uniform(0.0, 1.0)
        self._longer = rng.choice((0.0, 1.0, 1.5 * LEASE))

    @property
    def name(self) -> str:
        return f"Split:{self._service}"

    def begin(self) -> None:
        self.site.wait(self._after)
        for wire in self._wires:
            wire.split(self._directions)

    def end(self) -> None:
        self.site.wait(self._longer)
        for wire in self._wires:
            wire.mend()


ALL = "all"
SPLITS = (*WIRED, ALL)
