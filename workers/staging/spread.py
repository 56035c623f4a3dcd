"""A slow archive's files spread over several workers.

One job does a cart of one window alone while that is quick: more jobs would cost more than they bring. After its first
files it knows how long the rest would take. Where that pays, it shares the rest: it sends assistants, jobs any worker
may take, and each, itself included, takes the next few files until none is left. Nobody waits for an assistant that
never came; one that died leaves its files to the job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import JobKind
from workers.runtime.lease import Lease
from workers.staging.parts import Parts
from workers.stores.shared_ranges import FEW

PROBED = 16  # files that are done before the rest is judged
PAYS = 5.0  # seconds the rest has to take, alone, to be shared
WAITS = 0.5  # of them, at least, have to be waiting: more workers do not make a busy machine faster
ASSISTANTS = 7
LOOK = 0.05  # seconds between looks at whether the assistants are done
PATIENCE = 20.0  # seconds the last of them are waited for


@dataclass(frozen=True, slots=True)
class Pace:
    """How long some files took, and for how much of that this process was at work, in seconds."""

    began: float = field(default_factory=time.monotonic)
    worked: float = field(default_factory=time.process_time)

    def taken(self) -> tuple[float, float]:
        return time.monotonic() - self.began, time.process_time() - self.worked


class Spread:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def pays(self, pace: Pace, done: int, left: int) -> bool:
        """Whether to share `left` files, when `done` were done at this pace."""
        took, worked = pace.taken()
        return left >= 2 * FEW and took * left > PAYS * done and took - worked > WAITS * took

    def call(self, lease: Lease, first: int, stop: int) -> None:
        """Share files `first` to `stop` (exclusive) of the job's cart."""

        def work() -> list[JobMessage]:
            self._parts.shares.open(lease.job.cart_id, lease.job.id, first, stop)
            return [
                self._parts.jobs.add(lease.job.cart_id, JobKind.ASSIST, lease.job.window) for _ in range(ASSISTANTS)
            ]

        self._parts.queue.send(self._parts.jobs.fenced(lease.job, work))

    def taken(self, lease: Lease) -> Iterator[range]:
        """What falls to this job of the files it shared, until none is left."""
        while share := self._parts.jobs.fenced(lease.job, lambda: self._parts.shares.take(lease.job.cart_id)):
            yield share[1]

    def wait(self, lease: Lease) -> None:
        """Until the assistants are done, but not for ever: the caller does what they leave, and they are stopped."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._parts.shares.assisted(lease.job.cart_id, JobKind.ASSIST):
            lease.sleep(LOOK)
        self.end(lease)

    def end(self, lease: Lease) -> None:
        """End the share. An assistant still at it loses its hold: what it finds out late changes no layout."""

        def work() -> None:
            self._parts.shares.close(lease.job.cart_id)
            self._parts.jobs.delete_others(lease.job)

        self._parts.jobs.fenced(lease.job, work)
