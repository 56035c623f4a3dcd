"""The site's one job that looks at files on tape; a cart's recall job adds it, and it ends when no file is recalled."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import NO_CART
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.runtime.time_slice import TimeSlices
from workers.staging.look_at_tape import TapeLooker

TURN = 10.0  # seconds until the job gives its place to others of the housekeeping
LONGEST_DELAY = 5.0  # seconds until the next run, so that files recalled meanwhile are looked at


class LookHandler:
    def __init__(self, jobs: JobStore, looker: TapeLooker, clock: Callable[[], float], slices: TimeSlices) -> None:
        """`clock`: the database's, in seconds since the epoch."""
        self._jobs = jobs
        self._looker = looker
        self._clock = clock
        self._slices = slices

    def run(self, lease: Lease) -> Outcome:
        turn, ends = self._slices.begin(NO_CART), self._clock() + TURN
        while (due := self._looker.look(lease)).wait is not None:
            nothing_due = due.wait > 0 and not due.looks
            if nothing_due or self._clock() > ends or turn.is_over():
                return Defer(min(due.wait, LONGEST_DELAY), WaitsFor.TAPE, "files are on tape")
            lease.sleep(due.wait)
        self._jobs.finish(lease.job, lambda: None)
        return Done()
