"""A worker's hold on one job, as its handler sees it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim
from chalicelib.stores.jobs import Job


class WorkerStopping(Exception):
    """The worker is draining: the job is requeued as if it had never been claimed."""


@dataclass(slots=True)
class Lease:
    """Handlers call `check` between any two steps that take time: a handler stops only there.

    The fencing token is `job.token`: JobStore checks it in every fenced write.
    """

    job: Job
    receipt: str
    stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)

    @property
    def claim(self) -> Claim:
        """Identifies this hold on the job, for instance in the names of its temporary files."""
        return self.job.claim

    def check(self) -> None:
        """Raise LeaseLost or WorkerStopping when the handler must stop."""
        if self.lost.is_set():
            raise LeaseLost
        if self.stopping.is_set():
            raise WorkerStopping

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or until the worker starts to drain. Raises as `check`."""
        self.stopping.wait(seconds)
        self.check()


class HeldLeases:
    """The leases that this worker holds now, by job id. Thread-safe."""

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        self._changed = threading.Condition()

    def add(self, lease: Lease) -> None:
        with self._changed:
            self._leases[lease.job.id] = lease

    def remove(self, lease: Lease) -> None:
        with self._changed:
            self._leases.pop(lease.job.id, None)
            self._changed.notify_all()

    def all(self) -> list[Lease]:
        with self._changed:
            return list(self._leases.values())

    def wait_until_none(self, seconds: float) -> None:
        """Return when no lease is held, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._leases, seconds)
