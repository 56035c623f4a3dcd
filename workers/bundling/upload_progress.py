"""Counts the bytes of a window that are in the store, every few seconds while they are being sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from chalicelib.errors import LeaseLost, TransientError
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.steps import steps
from workers.staging.window_work import WindowWork
from workers.stores.windows import WindowStore

COUNTED_EVERY = 3.0  # seconds
STAGED_AFTER = 0.5  # seconds of a PUT, after which it is recorded that the small bundle's files are staged


class UploadProgress:
    """The upload of one window under one lease. `sent` is called by the threads that send.

    `storing`: the context of a call to the store.
    """

    def __init__(self, lease: Lease, work: WindowWork, count: Callable[[Lease, WindowWork, int], None]) -> None:
        self._lease = lease
        self._work = work
        self._count = count
        self._sent: dict[int, int] = {}
        self.storing = lease.calling_store

    def sent(self, part: int, size: int) -> None:
        """`size` bytes of a part have been sent; fewer than before where it is sent again."""
        self._sent[part] = size
        steps.step()

    def tick(self) -> None:
        """Check the lease, and count if it is time. Called about once a second, and whenever a part is stored."""
        self._lease.check()
        self._count(self._lease, self._work, sum(self._sent.copy().values()))

    def tick_during_put(self) -> None:
        """Count if it is time, and raise nothing: a PUT ends whatever happens, and only CartFinisher removes its bundle
        if nobody wants it any more.
        """
        with suppress(LeaseLost, TransientError):
            self._count(self._lease, self._work, sum(self._sent.copy().values()))


class UploadRecorder:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        windows: WindowStore,
        every: float = COUNTED_EVERY,
        late: float = STAGED_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._windows = windows
        self._every = every
        self._late = late
        self._clock = clock

    def begin(self, lease: Lease, work: WindowWork) -> UploadProgress:
        due, late = self._clock() + self._every, self._clock() + self._late

        def count(lease: Lease, work: WindowWork, sent: int) -> None:
            nonlocal due
            if self._clock() > late:
                self.record_staged(lease, work)
            if self._clock() > due:
                self._record(lease, work, sent)
                due = self._clock() + self._every

        return UploadProgress(lease, work, count)

    def record_staged(self, lease: Lease, work: WindowWork) -> None:
        """Record that the window is staged, if that was left to its end."""
        if work.unrecorded is not None:
            self._jobs.progressed(lease.job, work.unrecorded)
            work.unrecorded = None

    def _record(self, lease: Lease, work: WindowWork, sent: int) -> None:
        """Count what is new. What was counted stays counted, also while it is sent again."""
        cart, window = work.cart, work.window
        more = min(sent, window.length) - window.uploaded_bytes
        if more <= 0:
            return

        def write() -> None:
            if not self._windows.count_uploaded(cart.id, window.number, more):
                raise LeaseLost
            self._carts.count_uploaded(cart, more)
            self._carts.mark_progress(cart)

        self._jobs.fenced(lease.job, write)
        work.window = replace(window, uploaded_bytes=window.uploaded_bytes + more)
