"""How long a job may go on while others wait: a place of a worker is shared by time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """Times are in seconds."""

    #: that a job works before it looks whether others wait
    length: float = 3.0
    #: between two looks after that
    look_every: float = 0.5


class TimeSlice:
    """The turn of one job. It ends only when another job waits, and then for good."""

    def __init__(self, others_wait: Callable[[], bool], policy: SlicePolicy, clock: Callable[[], float]) -> None:
        self._others_wait = others_wait
        self._policy = policy
        self._clock = clock
        self._looks_at = clock() + policy.length
        self.ended = False

    def is_over(self) -> bool:
        now = self._clock()
        if not self.ended and now >= self._looks_at:
            self._looks_at = now + self._policy.look_every
            self.ended = self._others_wait()
        return self.ended


class TimeSlices:
    def __init__(
        self,
        others_wait: Callable[[int], bool],
        policy: SlicePolicy = SlicePolicy(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`others_wait`: whether a job of another cart than this one is due."""
        self._others_wait = others_wait
        self._policy = policy
        self._clock = clock

    def begin(self, cart_id: int) -> TimeSlice:
        return TimeSlice(lambda: self._others_wait(cart_id), self._policy, self._clock)

    def others_wait(self, cart_id: int) -> bool:
        return self._others_wait(cart_id)
