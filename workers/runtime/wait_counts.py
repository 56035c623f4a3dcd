"""Counts for how long jobs are deferred, by what they wait for."""

from __future__ import annotations

from chalicelib.db.states import WaitsFor
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from workers.runtime.outcomes import Defer, Park


def count_wait(waits_for: str, delay: float) -> None:
    """A job is deferred for `delay` seconds."""
    counts.add(metrics.DEFERRALS, waits_for)
    counts.add(metrics.WAITED, waits_for, by=delay)


def count_outcome(outcome: Defer | Park) -> None:
    """Count the wait that a handler asks for. One that somebody ends is counted when it is over, by Reserver."""
    is_woken = isinstance(outcome, Park) and outcome.waits_for in (WaitsFor.SPACE, WaitsFor.LIMIT)
    count_wait(outcome.waits_for, 0 if is_woken else outcome.delay)
