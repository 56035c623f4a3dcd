"""How long a job waits before its next attempt. Pure."""

from __future__ import annotations

LONGEST = 60.0  # seconds


def after_failure(attempts: int) -> float:
    """Seconds until the next attempt after `attempts` failed ones: 2, 4, 8 ... up to LONGEST."""
    return min(LONGEST, 2.0**attempts)


def while_unavailable(without_progress: float) -> float:
    """Seconds until the next attempt while a dependency fails: a quarter of the time without progress, 1 to 60."""
    return min(LONGEST, max(1.0, without_progress / 4))
