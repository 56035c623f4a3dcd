"""The base class of faults. A fault begins when a round's carts are posted and ends before the round is checked."""

from __future__ import annotations

import random
from typing import ClassVar

from tests.chaos.clients import Scenario
from tests.chaos.site import Site

TICKS_PER_SECOND = 10


class Fault:
    """One thing that goes wrong."""

    #: Carts may end in error, because the system cannot recover from this fault.
    may_fail: ClassVar[bool] = False
    #: Every manifest needs hashes; without them no bundle is sure to be right.
    needs_hashes: ClassVar[bool] = False
    needs_mount: ClassVar[bool] = False
    #: `end` waits for carts, so the other faults of the round must end first.
    ends_last: ClassVar[bool] = False

    def __init__(self, site: Site, rng: random.Random) -> None:
        self.site = site
        self.rng = rng

    @property
    def name(self) -> str:
        return type(self).__name__

    def scenarios(self, label: str) -> list[Scenario]:
        """Carts that only this fault needs."""
        return []

    def begin(self) -> None:
        """Start the fault."""

    def tick(self) -> None:
        """Called TICKS_PER_SECOND times a second while the fault lasts."""

    def end(self) -> None:
        """Repair what the fault broke."""

    def happens(self, per_second: float) -> bool:
        """True `per_second` times a second on average, when called on each tick."""
        return self.rng.random() < per_second / TICKS_PER_SECOND
