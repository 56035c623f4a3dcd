"""Start the services tier by tier, keep them running, and end every one of them in time.

Everything happens on the main thread, which sleeps until an event comes: a process ended, became ready, a signal. A
child that ends is started again at once; one that keeps ending at once waits a little longer every time, and its last
lines are shown. Ending takes `END_WITHIN` seconds at the most, whatever the children do.
"""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.process import AT_ONCE, Child, Ended, Ready, Service

START_WITHIN = 90.0
#: The product first: it still needs the stand-ins to hand back its work (a worker drains within 8 s). Then the rest.
PRODUCT_ENDS_WITHIN = 8.4
END_WITHIN = 9.4
#: SeaweedFS now and then hangs in its own shutdown; a kill -9 costs it nothing that was stored.
STAND_INS_END_WITHIN = 3.0
STREAK_SHOWN = 3
#: Whoever signals our whole process group may reach us twice, once through make: that is still one wish.
SAME_WISH_WITHIN = 1.0


class StartFailed(Exception):
    """A service could not be started; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Someone asked for the end."""


class Supervisor:
    """`tiers` start in order, each when the one before is ready; the first one ends last."""

    def __init__(self, tiers: Sequence[Sequence[Service]], log: Path, *, say: Callable[[str], None]) -> None:
        self._events: queue.SimpleQueue[Ended | Ready | Asked] = queue.SimpleQueue()
        self._tiers = [[Child(s, log / f"{s.name}.log", self._events.put) for s in tier] for tier in tiers]
        self._again: dict[Child, float] = {}
        self._asked_at: float | None = None
        self._hurry = False
        self._starting = True
        self._say = say

    def ask_to_end(self, *_signal: object) -> None:
        """Fit for a signal handler. Asked a second time, children are not waited for."""
        self._events.put(Asked())

    def run(self, when_up: Callable[[], None]) -> None:
        """Until asked to end; raises StartFailed."""
        try:
            for tier in self._tiers:
                self._start(tier)
            self._settle()
            self._starting = False
            if not self._asked:
                when_up()
            self._attend(lambda: self._asked)
        finally:
            self._end()

    @property
    def _asked(self) -> bool:
        return self._asked_at is not None

    def _start(self, tier: Sequence[Child]) -> None:
        for child in tier if not self._asked else ():
            child.start()
        deadline = time.monotonic() + START_WITHIN
        self._attend(lambda: self._asked or all(child.ready for child in tier), deadline)
        slow = [child for child in tier if not child.ready]
        if slow and not self._asked:
            raise StartFailed(f"{slow[0].service.name} is not ready after {START_WITHIN:.0f} s\n{slow[0].last_lines()}")

    def _settle(self) -> None:
        """Give a child that had to be started again the time to show that it stays."""
        if any(child.backoff.streak for tier in self._tiers for child in tier):
            self._attend(lambda: self._asked, time.monotonic() + AT_ONCE)

    def _attend(self, until: Callable[[], bool], deadline: float = float("inf")) -> None:
        """Handle events until the condition holds or the time is over."""
        while not until() and (now := time.monotonic()) < deadline:
            wake = min([deadline, *self._again.values()])
            try:
                event = self._events.get(timeout=max(0.0, wake - now) if wake != float("inf") else None)
            except queue.Empty:
                event = None
            self._handle(event)
            self._start_due()

    def _handle(self, event: Ended | Ready | Asked | None) -> None:
        match event:
            case Asked():
                self._hurry = self._asked_at is not None and time.monotonic() > self._asked_at + SAME_WISH_WITHIN
                self._asked_at = self._asked_at or time.monotonic()
            case Ready(child, pid, failure) if pid == child.pid:
                self._ready(child, failure)
            case Ended(child, code):
                self._ended(child, code)

    def _ready(self, child: Child, failure: str) -> None:
        if failure and self._starting:
            raise StartFailed(f"{child.service.name} is up, but not as it should be: {failure}\n{child.last_lines()}")
        if failure:
            self._say(f"{child.service.name}: {failure}")
            child.signal_group(signal.SIGKILL)  # a new start prepares it again
        child.ready = not failure

    def _ended(self, child: Child, code: int) -> None:
        lived = child.ended()
        if self._asked:
            return
        delay = child.backoff.died(lived)
        name, how = child.service.name, _how(code)
        if child.backoff.streak >= STREAK_SHOWN and self._starting:
            raise StartFailed(f"{name} ended {how}, again and again. Its last lines:\n{child.last_lines()}")
        if child.backoff.streak == STREAK_SHOWN:
            self._say(f"{name} keeps ending. Its last lines ({child.log}):\n{child.last_lines()}")
        elif child.backoff.streak < STREAK_SHOWN:
            self._say(f"{name} ended {how}; starting it again")
        self._again[child] = time.monotonic() + delay

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in [child for child, due in self._again.items() if due <= now and not self._asked]:
            del self._again[child]
            child.start()

    def _end(self) -> None:
        begun = self._asked_at = self._asked_at or time.monotonic()
        self._again.clear()
        foundation, product = self._tiers[0], [child for tier in self._tiers[1:] for child in tier]
        self._end_tier(product, begun + PRODUCT_ENDS_WITHIN)
        self._end_tier(foundation, min(begun + END_WITHIN, time.monotonic() + STAND_INS_END_WITHIN))

    def _end_tier(self, tier: Sequence[Child], deadline: float) -> None:
        for child in tier:
            child.ask_to_end()

        def all_ended() -> bool:
            return not any(child.running for child in tier)

        self._attend(lambda: all_ended() or self._hurry, deadline)
        for child in tier:
            child.signal_group(signal.SIGKILL)
        self._attend(all_ended, time.monotonic() + 1.0)


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    return f"by signal {-code}"
