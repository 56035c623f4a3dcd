"""Which job a worker takes for a message, and the places that it keeps for small carts.

A message says only that there is work (ADR 0028). One place of a worker takes nothing but the jobs of small carts, so
that these never wait for large ones; a worker with a single place takes a small cart's job after every large one. A job
taken there does not use up its line's turn: otherwise an owner of small carts would never get a turn for a large one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chalicelib.job_message import Claim
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import Job
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.turns import Turn

PAUSE = 0.01  # seconds: a commit takes less


class NextJob:
    """Thread-safe."""

    def __init__(
        self, jobs: JobStore, due: DueJobStore, slots: int, has_place: Callable[[], None] = lambda: None
    ) -> None:
        """`slots`: the worker's places. `has_place` is called when there is a place for any job again."""
        self.more_are_due = False  # the last claim found more than one job
        self._are_stuck = False
        self._has_place = has_place
        self._jobs = jobs
        self._due = due
        self._alternates = slots == 1
        self._large_places = max(1, slots - 1)
        self._large = 0
        self._line = self._small_line = ""  # whose turn was last, of any jobs and of small ones
        self._was_large = False
        self._changed = threading.Condition()

    def claim(self) -> Job | None:
        """The fairest due job that this worker has a place for, claimed; call `release` when it is over."""
        with self._changed:
            self._are_stuck = False
            if job := self._claim_small():
                self._small_line = job.line
            elif job := self._claim_any():
                self._line = job.line
            if job is not None:
                self._was_large = not job.small
                self._large += not job.small
        return job

    def release(self, job: Job) -> None:
        """The job's place is free again. `job` is as it was claimed."""
        with self._changed:
            had_place = self.has_any_place
            self._large -= not job.small
            self._changed.notify_all()
        if not had_place:
            self._has_place()

    @property
    def has_any_place(self) -> bool:
        """Whether a job of any size may be claimed."""
        return self._large < self._large_places

    def any_due(self) -> bool:
        """Whether any job is due, whether or not there is a place for it."""
        return self._due.any_due()

    def seconds_until_due(self, claim: Claim) -> float | None:
        """As DueJobStore.seconds_until_due."""
        return self._due.seconds_until_due(claim)

    def wait_for_place(self, seconds: float) -> None:
        """Wait up to `seconds` for a place for any job, or if others stand still with the jobs that are due."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_any_place and not self._are_stuck, seconds)

    def _claim_small(self) -> Job | None:
        turn_of_small = not self.has_any_place or (self._alternates and self._was_large)
        return self._first(Turn(self._small_line, only_small=True)) if turn_of_small else None

    def _claim_any(self) -> Job | None:
        return self._first(Turn(self._line)) if self.has_any_place else None

    def _first(self, turn: Turn) -> Job | None:
        """Claim the first due job that no other worker claims before; None if there is none.

        A round without success made others work, unless the same jobs are due after it. If they still are after a
        pause, who writes to them stands still: then this worker must not ask again and again.
        """
        before: list[Claim] = []
        same = 0
        while claims := self._due.next(turn):
            same = same + 1 if claims == before else 0
            if same > 1:
                self._are_stuck = True
                break
            if same:
                time.sleep(PAUSE)
            self.more_are_due = len(claims) > 1
            for job_id, token in claims:
                if job := self._jobs.claim(job_id, token):
                    return job
            before = claims
        return None
