"""Keeps a worker's leases: all are renewed three times in their life, with the messages that brought the jobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chalicelib.aws.job_queue import FAULTS, JobQueue
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease

log = logging.getLogger(__name__)


class Heartbeat:
    def __init__(
        self,
        job_store: JobStore,
        job_queue: JobQueue,
        held: Callable[[], list[Lease]],
        *,
        lease: float,
        visibility: int,
    ) -> None:
        """`held` tells which jobs the worker has now."""
        self._jobs = job_store
        self._queue = job_queue
        self._held = held
        self._lease = lease
        self._visibility = visibility
        self._stopped = threading.Event()

    def run(self) -> None:
        """Until `stop`. A lease that could not be renewed in time is lost."""
        renewed = time.monotonic()
        while not self._stopped.wait(self._lease / 3):
            held = self._held()
            try:
                renewed = self._renew(held)
            except Exception as error:  # whatever it is: this thread must go on, or all leases are lost
                log.warning("heartbeat failed: %s", error)
                if time.monotonic() - renewed > self._lease:
                    for lease in held:
                        lease.lost.set()

    def stop(self) -> None:
        self._stopped.set()

    def _renew(self, held: list[Lease]) -> float:
        began = time.monotonic()
        lost = {job.id for job in self._jobs.renew([lease.job for lease in held])}
        for lease in held:
            if lease.job.id in lost:
                lease.lost.set()
        try:
            self._queue.extend([lease.receipt for lease in held if lease.job.id not in lost], self._visibility)
        except FAULTS as error:  # a message that comes again finds its job held
            log.warning("messages not extended: %s", error)
        return began
