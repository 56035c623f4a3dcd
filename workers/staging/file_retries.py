"""How long, and how often, a file that the archive fails to deliver is retried.

The archive answers 500 both for a file it does not have and for one that it cannot read just now. So a failing file is
retried, at intervals that double, until it has failed for ARCHIVE_PATIENCE while the archive itself was up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.db.states import WaitsFor
from chalicelib.stores.entries import CartEntry
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.runtime.time_slice import TimeSlices
from workers.staging.missing_files import given_up

#: An entry whose file the archive fails to deliver, and the reason.
FailingEntry = tuple[CartEntry, str]


class Failing(Protocol):
    """What is kept of a file that fails: of an entry, or of a recalled file for all carts. As in CartEntry."""

    archive_id: str
    failing_s: float
    failing_at: float | None
    failing_reason: str
    error: str


@dataclass(frozen=True, slots=True)
class FileRetryPolicy:
    """Times are in seconds. `patience`: how long a file may fail while the archive is up."""

    patience: float
    #: until the first retry, which happens within the same run unless other jobs wait
    first_retry: float = 0.5
    #: the longest between retries
    longest: float = 15.0
    #: between retries while the archive is down
    while_down: float = 5.0
    #: the most that counts between two failures: for longer nobody asked for the file, as while pulling is paused
    longest_gap: float = 300.0


class FileRetries:
    def __init__(
        self, policy: FileRetryPolicy, is_alive: Callable[[], bool], clock: Callable[[], float], slices: TimeSlices
    ) -> None:
        """`is_alive` asks the archive itself. `clock`: the database's, so that it is the same for all workers."""
        self.policy = policy
        self._is_alive = is_alive
        self._clock = clock
        self._slices = slices

    def pause(self, lease: Lease) -> bool:
        """Wait for the first retry, unless other jobs wait for this place; return whether to retry now."""
        if self._slices.others_wait(lease.job.cart_id):
            return False
        lease.sleep(self.policy.first_retry)
        return True

    def record(self, failing: Sequence[tuple[Failing, str]]) -> None:
        """Add to each file the time it has been failing, not counting time in which the archive is down, and why.

        A file whose patience is used up gets its reason as its error.
        """
        if failing:
            self._record(failing)

    def record_and_schedule(self, failing: Sequence[FailingEntry]) -> Defer | None:
        """Like `record`; returns when to retry, or None if no file should be retried."""
        if not failing:
            return None
        alive = self._record(failing)
        retried = [entry for entry, _ in failing if not entry.error]
        if not retried:
            return None
        reason = retried[0].failing_reason
        if not alive:
            return Defer(self.policy.while_down, WaitsFor.ARCHIVE, f"the archive is down: {reason}")
        return Defer(max(map(self._interval, retried)), WaitsFor.ARCHIVE, f"the archive is failing: {reason}")

    def due(self, entries: Sequence[CartEntry]) -> tuple[list[CartEntry], Defer | None]:
        """The entries to ask for now, and when to ask for the others: those that failed too recently."""
        if all(entry.failing_at is None for entry in entries):
            return list(entries), None
        now = self._clock()
        waits = {entry.position: self._until_retry(entry, now) for entry in entries}
        later = [wait for wait in waits.values() if wait > 0]
        defer = Defer(max(1.0, min(later)), WaitsFor.ARCHIVE, "the archive is failing") if later else None
        return [entry for entry in entries if waits[entry.position] <= 0], defer

    def _interval(self, entry: CartEntry) -> float:
        return min(self.policy.longest, max(1.0, entry.failing_s))

    def _until_retry(self, entry: CartEntry, now: float) -> float:
        """Half of the shortest interval by which the job may have been deferred: it may run early."""
        if entry.failing_at is None:
            return 0.0
        interval = min(self._interval(entry), self.policy.while_down) / 2
        return min(interval, entry.failing_at + interval - now)  # the clock may have been set back

    def _record(self, failing: Sequence[tuple[Failing, str]]) -> bool:
        """Return whether the archive is up."""
        now, alive = self._clock(), self._is_alive()
        for entry, reason in failing:
            if alive and entry.failing_at is not None:
                entry.failing_s += min(self.policy.longest_gap, max(0.0, now - entry.failing_at))
            entry.failing_at, entry.failing_reason = now, reason[:255]
            if alive and entry.failing_s >= self.policy.patience:
                entry.error = given_up(entry.archive_id, reason, self.policy.patience)
        return alive
