"""How long, and how often, a file that the archive fails to deliver is retried.

The archive answers 500 both for a file it does not have and for one that it cannot read just now. So a failing file is
retried, at intervals that double, until it has failed for ARCHIVE_PATIENCE while the archive itself was up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.errors import EntriesFailed
from chalicelib.stores.entries import CartEntry
from workers.runtime.outcomes import Defer


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Times are in seconds. `patience`: how long a file may fail while the archive is up."""

    patience: float
    #: until the first retry, which the handler makes itself
    first_retry: float = 0.5
    #: the longest between retries
    longest: float = 15.0
    #: between looks at an archive that is down
    while_down: float = 5.0


class FileRetries:
    def __init__(self, policy: RetryPolicy, is_alive: Callable[[], bool], clock: Callable[[], float]) -> None:
        """`is_alive` asks the archive itself. `clock` must be the same for all workers, in seconds."""
        self.policy = policy
        self._is_alive = is_alive
        self._clock = clock

    def record(self, failing: Sequence[tuple[CartEntry, str]]) -> Defer | None:
        """Add to each entry the time it has been failing; return when to retry, or None if nothing is worth it.

        An entry whose patience is used up gets its reason as its error. Time in which the archive is down is not
        counted.
        """
        if not failing:
            return None
        now, alive = self._clock(), self._is_alive()
        for entry, reason in failing:
            if alive and entry.failing_at is not None:
                entry.failing_s += max(0.0, now - entry.failing_at)
            entry.failing_at = now
            if alive and entry.failing_s >= self.policy.patience:
                entry.error = reason[:255]
        retried = [entry.failing_s for entry, _ in failing if not entry.error]
        if not retried:
            return None
        if not alive:
            return Defer(self.policy.while_down, "the archive is down")
        return Defer(min(self.policy.longest, max(1.0, *retried)), "the archive is failing")


def files_failed(count: int, total: int, first: CartEntry) -> EntriesFailed:
    """The error of a cart, `count` of whose `total` files failed; `first` is named."""
    where = f"{first.path} (id {first.archive_id})"
    return EntriesFailed(f"{where}: {first.error}" + (f"; {count} of {total} files failed" if total > 1 else ""))
