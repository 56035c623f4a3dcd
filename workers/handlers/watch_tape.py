"""Watches a cart's files that are on tape, and turns windows into jobs as their files come online."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.aws.job_queue import JobQueue
from chalicelib.db.states import WindowState
from chalicelib.errors import EntriesFailed
from chalicelib.stores.carts import Cart
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from workers.bundling.plan_windows import WindowPlanner
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.staging.file_retries import FileRetries
from workers.staging.find_files import FileFinder
from workers.staging.metadata import MetadataLookup
from workers.stores.recalls import RecallStore
from workers.stores.windows import Window, WindowStore

NAMED = 5  # files that an error message names


@dataclass(frozen=True, slots=True)
class TapePolicy:
    """Times are in seconds. `timeout`: how long a file may stay on tape after its recall."""

    timeout: float
    #: between looks; the interval grows with the wait
    shortest_interval: float = 2.0
    longest_interval: float = 300.0


class TapeWatch:
    def __init__(
        self,
        jobs: JobStore,
        entries: EntryStore,
        windows: WindowStore,
        recalls: RecallStore,
        queue: JobQueue,
        metadata: MetadataLookup,
        retries: FileRetries,
        finder: FileFinder,
        planner: WindowPlanner,
        policy: TapePolicy,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: the database's, in seconds since the epoch."""
        self._jobs = jobs
        self._entries = entries
        self._windows = windows
        self._recalls = recalls
        self._queue = queue
        self._metadata = metadata
        self._retries = retries
        self._finder = finder
        self._planner = planner
        self._policy = policy
        self._clock = clock

    def look_again(self, lease: Lease, cart: Cart) -> Outcome:
        """Find the windows that have come online, and turn them into jobs. Done when no file is on tape any more."""
        waiting = sum(
            self._look_at(lease, cart, window) for window in self._windows.in_state(cart.id, WindowState.TAPE)
        )
        self._finder.raise_errors(cart)
        settle = self._jobs.fenced if waiting else self._jobs.finish
        self._queue.send(settle(lease.job, lambda: self._planner.fill_jobs(cart.id)))
        if not waiting:
            return Done()
        return Defer(self._next_look(cart, waiting), f"{waiting} files are on tape")

    def _look_at(self, lease: Lease, cart: Cart, window: Window) -> int:
        """Ask about the files of a window that were on tape; return how many still are."""
        entries = self._entries.page(cart.id, window.first, window.files)
        asked = [entry for entry in entries if entry.on_tape]
        self._retries.record(self._metadata.ask_archive(lease, asked))
        self._jobs.fenced(lease.job, lambda: self._entries.record_found(asked))
        self._recalls.forget_online({entry.archive_id for entry in asked if not entry.on_tape})
        left = sum(bool(entry.on_tape) for entry in asked)
        if not left:
            self._come_online(lease, cart, window)
        return left

    def _come_online(self, lease: Lease, cart: Cart, window: Window) -> None:
        def write() -> None:
            self._windows.move(cart.id, window.number, (WindowState.TAPE,), WindowState.ONLINE)

        self._jobs.progressed(lease.job, write)

    def _next_look(self, cart: Cart, waiting: int) -> float:
        """Seconds until the next look. Raises EntriesFailed after the timeout."""
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
