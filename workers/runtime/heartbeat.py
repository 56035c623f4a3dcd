"""Every third of a lease, renews the leases a worker holds and extends the messages that brought the jobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chalicelib.errors import QueueUnavailable
from chalicelib.job_queue import JobQueue
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import HeldLeases, Lease

log = logging.getLogger(__name__)


class Heartbeat:
    def __init__(
        self,
        jobs: JobStore,
        queue: JobQueue,
        held: HeldLeases,
        *,
        lease: float,
        visibility: int,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease` and `visibility` are in seconds. `beat` is called with each heartbeat; it raises nothing."""
        self._jobs = jobs
        self._queue = queue
        self._held = held
        self._lease = lease
        self._visibility = visibility
        self._beat = beat
        self._clock = clock
        self._stopped = threading.Event()

    def run(self) -> None:
        """Renew until `stop`. A lease that could not be renewed within its life counts as lost."""
        renewed_at = self._clock()
        while not self._stopped.wait(self._lease / 3):
            held = self._held.all()
            try:
                renewed_at = self._renew(held)
            except Exception as error:  # any error: if this thread ended, every lease would run out
                log.warning("heartbeat failed: %s", error)
                if self._clock() - renewed_at > self._lease:
                    for lease in held:
                        lease.lost.set()
            self._beat()

    def stop(self) -> None:
        self._stopped.set()

    def _renew(self, held: list[Lease]) -> float:
        began = self._clock()
        lost = {job.id for job in self._jobs.renew([lease.job for lease in held])} if held else set()
        for lease in held:
            if lease.job.id in lost:
                lease.lost.set()
        try:
            self._queue.extend([lease.receipt for lease in held if lease.job.id not in lost], self._visibility)
        except QueueUnavailable as error:  # if redelivered, its job is still leased
            log.warning("cannot extend messages: %s", error)
        return began
