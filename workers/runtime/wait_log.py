"""Logs what carts wait for: when a wait begins, every few minutes while it lasts, and when it ends.

By cart and by what it waits for, so that fifty windows of one cart that wait for the archive are one line. A cart whose
jobs begin and end the same wait again and again gets a line every half minute.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import NO_CART, Job, JobKind
from workers.runtime.lease import logged_as
from workers.runtime.waits import IN_ORDER, NAMES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitLogPolicy:
    """Times are in seconds. `most`: waits remembered; beyond them, the one that changed least recently is forgotten."""

    #: between two lines of a wait that lasts
    every: float = 300.0
    #: between the line of a wait's end and that of the next wait of its kind
    again: float = 30.0
    most: int = 1000


@dataclass(slots=True)
class _Wait:
    """`is_open`: its end is to be logged, when none of `jobs` waits any more."""

    since: float
    jobs: set[int] = field(default_factory=set)
    said_at: float = -math.inf
    is_open: bool = False


class WaitLog:
    """One for each worker process. Thread-safe."""

    def __init__(self, policy: WaitLogPolicy = WaitLogPolicy(), clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, since another worker may have begun a wait."""
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: OrderedDict[tuple[int, str], _Wait] = OrderedDict()

    def claimed(self, job: Job) -> None:
        """The job was claimed; it may have begun to wait in another process, which logged that."""
        if not job.waits_for:
            return
        with self._lock:
            now = self._clock()
            wait = self._wait(job, job.waits_for, now if job.waits_since is None else job.waits_since)
            if not wait.is_open and now - wait.said_at >= self._policy.again:
                wait.is_open, wait.said_at = True, now

    def waiting(self, job: Job, waits_for: WaitsFor, reason: str, seconds: float = 0.0) -> None:
        """The job has waited for `seconds`."""
        with self._lock:
            now = self._clock()
            wait = self._wait(job, waits_for, now - seconds)
            if now - wait.said_at < (self._policy.every if wait.is_open else self._policy.again):
                return
            wait.is_open, wait.said_at = True, now
        level = logging.INFO if waits_for in IN_ORDER else logging.WARNING
        place = f"job {job.id}, window {job.window}" if job.kind == JobKind.WINDOW else f"job {job.id}, {job.kind}"
        waited = now - wait.since
        with logged_as(job):  # the watch writes some lines in a thread that is no job's
            extra = {"waits_for": str(waits_for), "waited": round(waited, 3)}
            log.log(level, "%s waits for %s: %s (%s)", _who(job), NAMES[waits_for], reason, place, extra=extra)

    def ended(self, job: Job, waits_for: str) -> None:
        """The job no longer waits for this."""
        with self._lock:
            now, wait = self._clock(), self._waits.get((job.cart_id, waits_for))
            if wait is None or not self._leave(wait, job):
                return
            wait.said_at = now
        waited = max(0.0, now - wait.since)
        with logged_as(job):
            extra = {"waits_for": waits_for, "waited": round(waited, 3)}
            name = NAMES.get(WaitsFor(waits_for), waits_for)
            log.info("%s no longer waits for %s, after %.0f s", _who(job), name, waited, extra=extra)

    def forget(self, job: Job) -> None:
        """The cart has ended, or another worker has the job: its waits end without a word."""
        with self._lock:
            for word in WaitsFor:
                if wait := self._waits.get((job.cart_id, word)):
                    self._leave(wait, job)

    def _wait(self, job: Job, waits_for: str, since: float) -> _Wait:
        """The job's wait, with the job in it."""
        key = (job.cart_id, str(waits_for))
        wait = self._waits.setdefault(key, _Wait(since))
        self._waits.move_to_end(key)
        if len(self._waits) > self._policy.most:
            self._waits.popitem(last=False)
        if not wait.jobs:
            wait.since = since
        wait.jobs.add(job.id)
        return wait

    def _leave(self, wait: _Wait, job: Job) -> bool:
        """Return whether the wait of the cart has ended by that, and was logged."""
        wait.jobs.discard(job.id)
        if wait.jobs or not wait.is_open:
            return False
        wait.is_open = False
        return True


def _who(job: Job) -> str:
    return "the housekeeping" if job.cart_id == NO_CART else f"cart {job.cart_id}"
