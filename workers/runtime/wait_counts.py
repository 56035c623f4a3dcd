"""Counts for how long jobs are deferred, by what they wait for."""

from __future__ import annotations

from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts


def count_wait(waits_for: str, delay: float) -> None:
    """A job is deferred for `delay` seconds."""
    counts.add(metrics.DEFERRALS, waits_for)
    counts.add(metrics.WAITED, waits_for, by=delay)
