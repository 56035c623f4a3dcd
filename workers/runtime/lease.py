"""A worker's hold on one job, as its handler sees it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chalicelib.caller import NOBODY
from chalicelib.config.log_context import logged_with
from chalicelib.db.states import WaitsFor
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim
from chalicelib.stores.job_row import Job
from chalicelib.stores.turns import HOUSEKEEPING
from workers.runtime.slow_calls import Moved, OpenCalls
from workers.runtime.steps import steps


class WorkerStopping(Exception):
    """The worker is draining: the job is requeued as if it had never been claimed."""


@dataclass(slots=True)
class Lease:
    """Handlers call `check` between any two steps that take time: a handler stops only there.

    The fencing token is `job.token`: JobStore checks it in every fenced write. `waits_for`: what the job waits for, as
    far as it is recorded. `moving`: the watch's looks in a row that found bytes moving.
    """

    job: Job
    receipt: str
    stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)
    calls: OpenCalls = field(default_factory=OpenCalls)
    waits_for: str = ""
    moving: int = 0

    def __post_init__(self) -> None:
        self.waits_for = self.job.waits_for

    @property
    def claim(self) -> Claim:
        """Identifies this hold on the job, for instance in the names of its temporary files."""
        return self.job.claim

    @property
    def owner(self) -> str:
        """Whose cart the job is of; NOBODY for housekeeping."""
        return NOBODY if self.job.line == HOUSEKEEPING else self.job.line

    def calling_archive(self) -> AbstractContextManager[Moved]:
        """The context of a call to the archive; likewise for the store, and for the database within such a call."""
        return self.calls.waiting_on(WaitsFor.ARCHIVE)

    def calling_store(self) -> AbstractContextManager[Moved]:
        return self.calls.waiting_on(WaitsFor.STORE)

    def calling_database(self) -> AbstractContextManager[Moved]:
        return self.calls.waiting_on(WaitsFor.DATABASE)

    def check(self) -> None:
        """Raise LeaseLost or WorkerStopping when the handler must stop. That it is called shows that nothing hangs."""
        steps.step()
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
        self._claims = 0  # claims under way: each may yet bring a lease
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def claiming(self) -> Iterator[None]:
        """Claim a job and `add` its lease within this context: a drain waits for both."""
        with self._changed:
            self._claims += 1
        try:
            yield
        finally:
            with self._changed:
                self._claims -= 1
                self._changed.notify_all()

    def add(self, lease: Lease) -> None:
        with self._changed:
            self._leases[lease.job.id] = lease

    def remove(self, lease: Lease) -> None:
        with self._changed:
            self._leases.pop(lease.job.id, None)
            self._changed.notify_all()

    def ids(self) -> list[int]:
        """The ids of their jobs."""
        return [lease.job.id for lease in self.all()]

    def all(self) -> list[Lease]:
        with self._changed:
            return list(self._leases.values())

    def wait_until_none(self, seconds: float) -> None:
        """Return when no lease is held and no claim is under way, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._leases and not self._claims, seconds)


def logged_as(job: Job) -> AbstractContextManager[None]:
    """Within this context, log lines of this thread name the job, its cart, and the request that posted it."""
    return logged_with(uid=job.uid, owner=job.owner, cart=job.cart_id, job=job.id, request=job.request)
