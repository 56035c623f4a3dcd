"""Starts the services tier by tier, restarts those that exit, and stops all of them within a deadline.

Everything happens on the main thread, which sleeps until an event arrives: a process exited, a process became ready, or
a stop was requested. A child that exits is restarted at once; one that keeps exiting early is restarted with back-off,
and its last log lines are printed. Stopping takes at most about `STOP_TIMEOUT` seconds, whatever the children do.
"""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.process import MIN_UPTIME, Child, Exited, Ready, Service

START_TIMEOUT = 90.0
#: The product stops first, because workers need the stand-ins to requeue their jobs (a worker drains within 8 s).
PRODUCT_STOP_TIMEOUT = 8.4
STOP_TIMEOUT = 9.4
#: SeaweedFS sometimes hangs in its own shutdown; killing it loses nothing that was stored.
STAND_IN_STOP_TIMEOUT = 3.0
#: Early exits in a row after which a child's last log lines are printed, or the start fails.
MAX_EARLY_EXITS = 3
#: A signal to the whole process group may arrive twice, once through make. Within this time it counts as one.
SAME_SIGNAL_WINDOW = 1.0


class StartFailed(Exception):
    """A service could not be started; the message contains its last log lines."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody called `Supervisor.request_stop`."""


class Supervisor:
    """`tiers` start in order, each when the one before is ready; the first tier stops last."""

    def __init__(self, tiers: Sequence[Sequence[Service]], log: Path, *, say: Callable[[str], None]) -> None:
        self._events: queue.SimpleQueue[Exited | Ready | StopRequested] = queue.SimpleQueue()
        self._tiers = [[Child(s, log / f"{s.name}.log", self._events.put) for s in tier] for tier in tiers]
        self._restart_at: dict[Child, float] = {}
        self._stop_requested_at: float | None = None
        self._stop_now = False
        self._starting = True
        self._say = say

    def request_stop(self, *_signal: object) -> None:
        """Stop the system. Safe in a signal handler. A second request kills the children without waiting."""
        self._events.put(StopRequested())

    def run(self, when_up: Callable[[], None]) -> None:
        """Run until a stop is requested. Raises StartFailed."""
        try:
            for tier in self._tiers:
                self._start(tier)
            self._settle()
            self._starting = False
            if not self._stopping:
                when_up()
            self._handle_events(lambda: self._stopping)
        finally:
            self._stop()

    @property
    def _stopping(self) -> bool:
        return self._stop_requested_at is not None

    def _start(self, tier: Sequence[Child]) -> None:
        for child in tier if not self._stopping else ():
            child.start()
        deadline = time.monotonic() + START_TIMEOUT
        self._handle_events(lambda: self._stopping or all(child.ready for child in tier), deadline)
        slow = [child for child in tier if not child.ready]
        if slow and not self._stopping:
            name, lines = slow[0].service.name, slow[0].last_lines()
            raise StartFailed(f"{name} is not ready after {START_TIMEOUT:.0f} s\n{lines}")

    def _settle(self) -> None:
        """If a child has been restarted, wait long enough to see that it stays up."""
        if any(child.backoff.early_exits for tier in self._tiers for child in tier):
            self._handle_events(lambda: self._stopping, time.monotonic() + MIN_UPTIME)

    def _handle_events(self, until: Callable[[], bool], deadline: float = float("inf")) -> None:
        """Handle events and restarts until the condition holds or the deadline has passed."""
        while not until() and (now := time.monotonic()) < deadline:
            wake = min([deadline, *self._restart_at.values()])
            try:
                event = self._events.get(timeout=max(0.0, wake - now) if wake != float("inf") else None)
            except queue.Empty:
                event = None
            self._handle(event)
            self._restart_due()

    def _handle(self, event: Exited | Ready | StopRequested | None) -> None:
        match event:
            case StopRequested():
                first = self._stop_requested_at
                self._stop_now = first is not None and time.monotonic() > first + SAME_SIGNAL_WINDOW
                self._stop_requested_at = first or time.monotonic()
            case Ready(child, pid, failure) if pid == child.pid:
                self._on_ready(child, failure)
            case Exited(child, code):
                self._on_exit(child, code)

    def _on_ready(self, child: Child, failure: str) -> None:
        if failure and self._starting:
            raise StartFailed(f"{child.service.name} started but its setup failed: {failure}\n{child.last_lines()}")
        if failure:
            self._say(f"{child.service.name}: {failure}")
            child.signal_group(signal.SIGKILL)  # the restart runs its setup again
        child.ready = not failure

    def _on_exit(self, child: Child, code: int) -> None:
        uptime = child.exited()
        if self._stopping:
            return
        delay = child.backoff.next_delay(uptime)
        name, reason, exits = child.service.name, _reason(code), child.backoff.early_exits
        if exits >= MAX_EARLY_EXITS and self._starting:
            raise StartFailed(f"{name} exited {reason} {exits} times. Its last lines:\n{child.last_lines()}")
        if exits == MAX_EARLY_EXITS:
            self._say(f"{name} keeps exiting. Its last lines ({child.log}):\n{child.last_lines()}")
        elif exits < MAX_EARLY_EXITS:
            self._say(f"{name} exited {reason}; restarting it")
        self._restart_at[child] = time.monotonic() + delay

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in [child for child, due in self._restart_at.items() if due <= now and not self._stopping]:
            del self._restart_at[child]
            child.start()

    def _stop(self) -> None:
        began = self._stop_requested_at = self._stop_requested_at or time.monotonic()
        self._restart_at.clear()
        stand_ins, product = self._tiers[0], [child for tier in self._tiers[1:] for child in tier]
        self._stop_tier(product, began + PRODUCT_STOP_TIMEOUT)
        self._stop_tier(stand_ins, min(began + STOP_TIMEOUT, time.monotonic() + STAND_IN_STOP_TIMEOUT))

    def _stop_tier(self, tier: Sequence[Child], deadline: float) -> None:
        for child in tier:
            child.terminate()

        def all_exited() -> bool:
            return not any(child.running for child in tier)

        self._handle_events(lambda: all_exited() or self._stop_now, deadline)
        for child in tier:
            child.signal_group(signal.SIGKILL)
        self._handle_events(all_exited, time.monotonic() + 1.0)


def _reason(code: int) -> str:
    return f"with code {code}" if code >= 0 else f"by signal {-code}"
