"""Network partitions between workers and the services they need; no connection is closed."""

from __future__ import annotations

import random

from tests.chaos.faults import Fault
from tests.chaos.site import LEASE, RELAYED_SERVICES, Site
from tests.chaos.tcp_relay import REQUESTS, RESPONSES

DIRECTIONS = ((REQUESTS, RESPONSES), (REQUESTS,), (RESPONSES,))
ALL = "all"
SPLITS = (*RELAYED_SERVICES, ALL)


class Split(Fault):
    """Some or all workers lose contact with one service or all, in one direction or both.

    A split lasts for seconds, and in a third of the rounds for longer than a lease.
    """

    def __init__(self, site: Site, rng: random.Random, service: str) -> None:
        super().__init__(site, rng)
        self._service = service
        services = RELAYED_SERVICES if service == ALL else (service,)
        workers = rng.sample(range(site.worker_count), rng.randint(1, site.worker_count))
        self._relays = [
            site.relays[worker][name] for worker in workers for name in services if name in site.relays[worker]
        ]
        self._directions = rng.choice(DIRECTIONS)
        self._delay = rng.uniform(0.0, 1.0)
        self._extra = rng.choice((0.0, 1.0, 1.5 * LEASE))

    @property
    def name(self) -> str:
        return f"Split:{self._service}"

    def begin(self) -> None:
        self.site.wait(self._delay)
        for relay in self._relays:
            relay.block(self._directions)

    def end(self) -> None:
        self.site.wait(self._extra)
        for relay in self._relays:
            relay.unblock()
