"""Watches a cart's files that are on tape, and turns windows into jobs as their files come online."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import EntriesFailed
from chalicelib.job_queue import JobQueue
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry
from chalicelib.stores.jobs import JobStore
from workers.bundling.plan_windows import WindowPlanner
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.runtime.time_slice import TimeSlices
from workers.staging.find_files import OTHERS_TURN, FileFinder
from workers.stores.windows import Window, WindowStore

NAMED = 5  # files that an error message names


@dataclass(frozen=True, slots=True)
class TapePolicy:
    """Times are in seconds. `timeout`: how long a file may stay on tape after its recall."""

    timeout: float
    #: between polls; the interval grows with the wait
    shortest_interval: float = 2.0
    longest_interval: float = 300.0


class TapeWatch:
    def __init__(
        self,
        jobs: JobStore,
        windows: WindowStore,
        queue: JobQueue,
        finder: FileFinder,
        planner: WindowPlanner,
        policy: TapePolicy,
        clock: Callable[[], float],
        slices: TimeSlices,
    ) -> None:
        """`clock`: the database's, in seconds since the epoch."""
        self._jobs = jobs
        self._windows = windows
        self._queue = queue
        self._finder = finder
        self._planner = planner
        self._policy = policy
        self._clock = clock
        self._slices = slices

    def poll(self, lease: Lease, cart: Cart) -> Outcome:
        """Find windows whose files are now online, and turn them into jobs. Done when no file is on tape.

        When the job's turn is over, its `window` is the first one that it has not asked about.
        """
        turn, waiting = self._slices.begin(cart.id), 0
        for window in self._windows.in_state(cart.id, WindowState.TAPE):
            if window.number < lease.job.window:
                waiting += window.files  # asked about in an earlier turn
            elif turn.is_over():
                self._fill_jobs(lease, cart, window.number)
                return OTHERS_TURN
            else:
                waiting += self._poll_window(lease, cart, window)
        self._finder.raise_errors(cart)
        if not waiting:
            self._queue.send(self._jobs.finish(lease.job, lambda: self._planner.fill_jobs(cart.id)))
            return Done()
        self._fill_jobs(lease, cart, 0)
        return Defer(self._until_next_poll(cart, waiting), WaitsFor.TAPE, f"{waiting} files are on tape")

    def _fill_jobs(self, lease: Lease, cart: Cart, window: int) -> None:
        """`window`: where the next look begins."""
        self._queue.send(self._jobs.fenced(lease.job, lambda: self._planner.fill_jobs(cart.id), window=window))

    def _poll_window(self, lease: Lease, cart: Cart, window: Window) -> int:
        """Ask about the files of a window that were on tape; return how many still are."""
        asked = self._finder.ask_again(lease, cart, window.first, window.files)
        left = sum(bool(entry.on_tape) for entry in asked)
        if not left:
            self._come_online(lease, cart, window)
        return left

    def _come_online(self, lease: Lease, cart: Cart, window: Window) -> None:
        def write() -> None:
            self._windows.move(cart.id, window.number, (WindowState.TAPE,), WindowState.ONLINE)

        self._jobs.progressed(lease.job, write)

    def _until_next_poll(self, cart: Cart, waiting: int) -> float:
        """Seconds until the next poll. Raises EntriesFailed after the timeout."""
        now = self._clock()
        waited = now - (cart.staging_at or now)
        if waited > self._policy.timeout:
            raise EntriesFailed(
                f"{waiting} files did not come online within RECALL_TIMEOUT, {self._policy.timeout:.0f} s; "
                f"first: {self._first_on_tape(cart)}"
            )
        interval = min(self._policy.longest_interval, max(self._policy.shortest_interval, waited / 8))
        return interval * random.uniform(0.8, 1.2)

    def _first_on_tape(self, cart: Cart) -> str:
        named: list[CartEntry] = []
        for page in self._finder.pages(cart):
            named += [entry for entry in page if entry.on_tape]
            if len(named) >= NAMED:
                break
        return ", ".join(entry.path for entry in named[:NAMED])
