"""A worker's hold on one job, as its handler sees it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from chalicelib.errors import LeaseLost
from chalicelib.stores.jobs import Job


class WorkerStopping(Exception):
    """The worker is stopping: the job goes back as if it had never been claimed."""


@dataclass(slots=True)
class Lease:
    """`check` is called between any two steps that take time: it is how a handler stops."""

    job: Job
    receipt: str
    stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)

    @property
    def owner(self) -> str:
        """Names this hold's temporary files."""
        return f"{self.job.id}-{self.job.token}"

    def check(self) -> None:
        """Raise LeaseLost or HandBack when the work is not to go on."""
        if self.lost.is_set():
            raise LeaseLost
        if self.stopping.is_set():
            raise WorkerStopping

    def sleep(self, seconds: float) -> None:
        """Wait, but not when the worker is stopping."""
        self.stopping.wait(seconds)
        self.check()
