"""Shares a small cart's files among workers when the archive is slow.

Normally one job does a cart of one window alone: more jobs would cost more than they save. After its first files it
estimates how long the rest will take. If sharing pays, it sends assistants, jobs that any worker may take; the job and
each assistant handle the next few files until none is left. The job does not wait for an assistant that never started,
and handles the files of one that died (ADR 0018).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.stores.shared_files import SMALLEST_TAKE, SharedFileStore


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """When the files of a cart are shared, and with how many. Times are in seconds."""

    #: files that the job does before it judges the rest
    probed: int = 16
    #: sharing starts if the rest would take longer than this, alone
    worth: float = 5.0
    #: fraction of that time spent waiting: more workers do not make a busy machine faster
    idle_fraction: float = 0.5
    assistants: int = 7
    #: between checks whether the assistants are done
    look_every: float = 0.05
    #: the longest wait for the last assistants
    patience: float = 20.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """`elapsed` is a monotonic clock, `busy` the CPU time of this process, both in seconds."""

    elapsed: Callable[[], float] = time.monotonic
    busy: Callable[[], float] = time.process_time


@dataclass(frozen=True, slots=True)
class Pace:
    """When some work began, by both clocks."""

    elapsed: float
    busy: float


class WorkSharing:
    def __init__(
        self,
        jobs: JobStore,
        shared_files: SharedFileStore,
        queue: JobQueue,
        policy: SharingPolicy,
        clocks: Clocks = Clocks(),
    ) -> None:
        self._jobs = jobs
        self._shared_files = shared_files
        self._queue = queue
        self.policy = policy
        self._clocks = clocks

    def start_probe(self) -> Pace:
        return Pace(self._clocks.elapsed(), self._clocks.busy())

    def is_worthwhile(self, began: Pace, done: int, left: int) -> bool:
        """Whether to share `left` files, judged by the `done` files since `began`."""
        elapsed, busy = self._clocks.elapsed() - began.elapsed, self._clocks.busy() - began.busy
        long_enough = elapsed * left > self.policy.worth * done
        return left >= 2 * SMALLEST_TAKE and long_enough and elapsed - busy > self.policy.idle_fraction * elapsed

    def begin(self, lease: Lease, first: int, stop: int) -> None:
        """Share files `first` to `stop` (exclusive) of the job's cart, and send assistants."""
        job = lease.job

        def write() -> list[JobMessage]:
            self._shared_files.share(job.cart_id, job.id, first, stop)
            return [self._jobs.add(job.cart_id, JobKind.ASSIST, job.window) for _ in range(self.policy.assistants)]

        self._queue.send(self._jobs.fenced(job, write))

    def take(self, lease: Lease) -> Iterator[range]:
        """Yield the shared files that are assigned to this job, a few at a time, until none is left."""
        while taken := self._jobs.fenced(lease.job, lambda: self._shared_files.take(lease.job.cart_id)):
            yield taken[1]

    def wait(self, lease: Lease, patience: float) -> None:
        """Wait until the assistants are done, or `patience` (seconds) ends; then stop sharing."""
        deadline = self._clocks.elapsed() + patience
        while self._clocks.elapsed() < deadline and self._shared_files.has_assistants(lease.job.cart_id):
            lease.sleep(self.policy.look_every)
        self.end(lease)

    def end(self, lease: Lease) -> None:
        """Stop sharing. An assistant still at work loses its lease, so what it finds late changes no layout."""

        def write() -> None:
            self._shared_files.end(lease.job.cart_id)
            self._jobs.delete_others(lease.job)

        self._jobs.fenced(lease.job, write)
