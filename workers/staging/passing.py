"""Which windows may pass a window that waits for space. Pure.

Space is given to the oldest cart first. But a window that waits for gigabytes, held by another that pulls slowly, need
not hold up one of a few bytes. What passes is bounded, so that it can delay the waiting window but not starve it.
"""

from __future__ import annotations

from workers.stores.windows import Ahead

#: All windows that pass hold at most this fraction of the volume together.
PASSING_SHARE = 1 / 8


def may_pass(claimed: int, ahead: Ahead, recent: int, usable: int) -> bool:
    """Whether a window that claims `claimed` bytes may be reserved although the windows `ahead` wait.

    `recent`: bytes that were released since and cannot be evicted yet. `usable`: bytes of the volume. All that pass fit
    beside the largest window ahead, so nothing but windows that were reserved before it keeps it waiting.
    """
    allowed = min(usable * PASSING_SHARE, usable - ahead.largest)
    return claimed + ahead.passed + recent <= allowed
