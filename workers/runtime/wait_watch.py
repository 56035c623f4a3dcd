"""Notices jobs whose call to a dependency hangs: status and log say so long before the call's timeout."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_waits import JobWaitStore
from workers.runtime.lease import HeldLeases, Lease
from workers.runtime.wait_log import WaitLog
from workers.runtime.waits import NAMES

#: Looks in a row that find bytes moving, after which a job no longer waits. One may find the first bytes of a retry,
#: which go no further than into a buffer.
STEADY = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitWatchPolicy:
    """Times are in seconds. A call that brought nothing for `patience` hangs."""

    every: float = 5.0
    patience: float = 30.0


class WaitWatch:
    def __init__(
        self,
        held: HeldLeases,
        waits: JobWaitStore,
        wait_log: WaitLog,
        policy: WaitWatchPolicy = WaitWatchPolicy(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._held = held
        self._waits = waits
        self._log = wait_log
        self._policy = policy
        self._clock = clock
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look again and again, until `stop`."""
        while not self._stopped.wait(self._policy.every):
            try:
                self.look()
            except Exception as error:  # any error: if this thread ended, nothing would notice calls that hang
                log.warning("cannot record what jobs wait for: %s", error)

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Note which of the held jobs wait, and which no longer do."""
        for lease in self._held.all():
            lease.moving = lease.moving + 1 if self._moves(lease) else 0
            if hanging := lease.calls.hanging(self._policy.patience):
                self._waits_for(lease, *hanging)
            elif lease.waits_for and lease.moving >= STEADY:
                self._log.ended(lease.job, lease.waits_for)
                lease.waits_for = ""
                self._waits.end(lease.job)

    def _moves(self, lease: Lease) -> bool:
        moved_at = lease.calls.moved_at
        return moved_at is not None and self._clock() - moved_at < self._policy.every

    def _waits_for(self, lease: Lease, waits_for: WaitsFor, seconds: float) -> None:
        reason = f"nothing has come from it for {seconds:.0f} s"
        self._log.waiting(lease.job, waits_for, reason, seconds)  # first: the database may be what hangs
        lease.waits_for = waits_for
        self._waits.begin(lease.job, waits_for, f"{NAMES[waits_for]}: {reason}", seconds)
