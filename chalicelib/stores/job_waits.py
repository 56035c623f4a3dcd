"""What the jobs wait for: the columns `waits_for` and `waits_since`. A claim keeps them, and progress clears them."""

from __future__ import annotations

from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import Job

MAX_REASON = 1024

#: Of a job that made progress.
NO_WAIT: dict[str, Any] = {"waits_since": None, "waits_for": ""}


def waiting(waits_for: WaitsFor, since: Any) -> dict[str, Any]:
    """Of a job that waits, for an UPDATE. It has waited since before `since` if it already waited for the same."""
    same = (Jobs.waits_for == waits_for) & Jobs.waits_since.is_null(False)
    return {"waits_since": peewee.Case(None, [(same, Jobs.waits_since)], since), "waits_for": waits_for}


class JobWaitStore:
    """Notes what a job waits for while a worker holds it: a call that hangs. Neither method renews the lease."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, job: Job, waits_for: WaitsFor, reason: str, seconds: float) -> bool:
        """The job has waited for this for `seconds`. False when its lease was lost."""
        values = waiting(waits_for, self._db.now - seconds)
        return self._update(job, **values, wait_reason=reason[:MAX_REASON])

    def end(self, job: Job) -> bool:
        """The job no longer waits. False when its lease was lost."""
        return self._update(job, **NO_WAIT)

    def _update(self, job: Job, **values: Any) -> bool:
        held = (Jobs.id == job.id) & (Jobs.token == job.token) & (Jobs.lease_until > self._db.now)
        with self._db.writing() as db:
            return bool(Jobs.update(**values).where(held).execute(db))
