"""Patience with an archive that answers badly.

It answers 500 for a file it does not have as well as for one it cannot read just now, so a failing file is asked for
again, after times that double, until it has failed for ARCHIVE_PATIENCE while the archive itself was up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.errors import EntriesFailed, Retry
from chalicelib.stores.entries import CartEntry

QUICK = 0.5  # seconds until the first retry, which the handler makes itself
LONGEST = 15.0  # seconds between retries
DOWN = 5.0  # seconds between looks at an archive that is down


class Failures:
    def __init__(self, patience: float, alive: Callable[[], bool], clock: Callable[[], float]) -> None:
        """`clock`: one and the same for all workers, or time would pass for a file when it changes hands."""
        self._patience = patience
        self._alive = alive
        self._clock = clock

    def note(self, failing: Sequence[tuple[CartEntry, str]]) -> Retry | None:
        """Count against each entry the time it has been failing; when to try again, if any is worth it.

        An entry that has used up the patience gets its reason as its error. Nothing counts while the archive is down.
        """
        if not failing:
            return None
        now, alive = self._clock(), self._alive()
        for entry, reason in failing:
            if alive and entry.failing_at is not None:
                entry.failing_s += max(0.0, now - entry.failing_at)
            entry.failing_at = now
            if alive and entry.failing_s >= self._patience:
                entry.error = reason[:255]
        left = [entry.failing_s for entry, _ in failing if not entry.error]
        if not left:
            return None
        delay = min(LONGEST, max(1.0, *left)) if alive else DOWN
        return Retry(delay, "the archive is failing" if alive else "the archive is down")


def failed(count: int, total: int, first: CartEntry) -> EntriesFailed:
    """What the cart says of its failed entries."""
    where = f"{first.path} (id {first.archive_id})"
    return EntriesFailed(f"{where}: {first.error}" + (f"; {count} of {total} files failed" if total > 1 else ""))
