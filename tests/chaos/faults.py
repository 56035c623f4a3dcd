"""A fault: begun when a round's carts are posted, ticked ten times a second while it lasts, ended before the checks."""

from __future__ import annotations

import random
from typing import ClassVar

from tests.chaos.carts import Wish
from tests.chaos.site import Site


class Fault:
    """One thing that goes wrong. Its class's docstring is what the summary says of it."""

    #: What a cart may end in besides what its client wants, where the fault is more than can be mended.
    may_fail: ClassVar[bool] = False
    #: Without a hash in its manifest no cart can be right.
    needs_hashes: ClassVar[bool] = False
    needs_mount: ClassVar[bool] = False
    #: Its end waits for carts, which other faults would hold up.
    ends_last: ClassVar[bool] = False

    def __init__(self, site: Site, rng: random.Random) -> None:
        self.site = site
        self.rng = rng

    @property
    def name(self) -> str:
        return type(self).__name__

    def wishes(self, label: str) -> list[Wish]:
        """Carts that only this fault is about."""
        return []

    def begin(self) -> None:
        """The fault sets in."""

    def tick(self) -> None:
        """It goes on."""

    def end(self) -> None:
        """It is over; what it broke works again."""

    def often(self, per_second: float) -> bool:
        """True so many times a second, when asked each tick."""
        return self.rng.random() < per_second / 10
