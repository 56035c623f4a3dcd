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

#: An entry whose file the archive fails to deliver, and the reason.
FailingEntry = tuple[CartEntry, str]


@dataclass(frozen=True, slots=True)
class FileRetryPolicy:
    """Times are in seconds. `patience`: how long a file may fail while the archive is up."""

    patience: float
    #: until the first retry, which happens within the same run
    first_retry: float = 0.5
    #: the longest between retries
    longest: float = 15.0
    #: between retries while the archive is down
    while_down: float = 5.0


class FileRetries:
    def __init__(self, policy: FileRetryPolicy, is_alive: Callable[[], bool], clock: Callable[[], float]) -> None:
        """`is_alive` asks the archive itself. `clock`: the database's, so that it is the same for all workers."""
        self.policy = policy
        self._is_alive = is_alive
        self._clock = clock

    def record(self, failing: Sequence[FailingEntry]) -> None:
        """Add to each entry the time it has been failing, not counting time in which the archive is down.

        An entry whose patience is used up gets its reason as its error.
        """
        if failing:
            self._record(failing)

    def record_and_schedule(self, failing: Sequence[FailingEntry]) -> Defer | None:
        """Like `record`; returns when to retry, or None if no file should be retried."""
        if not failing:
            return None
        alive = self._record(failing)
        retried = [entry.failing_s for entry, _ in failing if not entry.error]
        if not retried:
            return None
        if not alive:
            return Defer(self.policy.while_down, "the archive is down")
        return Defer(min(self.policy.longest, max(1.0, *retried)), "the archive is failing")

    def _record(self, failing: Sequence[FailingEntry]) -> bool:
        """Return whether the archive is up."""
        now, alive = self._clock(), self._is_alive()
        for entry, reason in failing:
            if alive and entry.failing_at is not None:
                entry.failing_s += max(0.0, now - entry.failing_at)
            entry.failing_at = now
            if alive and entry.failing_s >= self.policy.patience:
                entry.error = reason[:255]
        return alive


def files_failed(count: int, total: int, first: CartEntry) -> EntriesFailed:
    """The error of a cart, `count` of whose `total` files failed; `first` is named."""
    where = f"{first.path} (id {first.archive_id})"
    return EntriesFailed(f"{where}: {first.error}" + (f"; {count} of {total} files failed" if total > 1 else ""))
