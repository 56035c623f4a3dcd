"""What operators do with jobs: let them be done now, or take them from the worker that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.job_row import CleanupPass, JobKind


@dataclass(frozen=True, slots=True)
class JobState:
    """`held`: whether a worker has it."""

    id: int
    cart_id: int
    kind: str
    token: int
    held: bool


class OperatedJobStore:
    """Its writes run within the caller's transaction, and return the messages to send after the commit."""

    def __init__(self, database: Database, lease: float) -> None:
        """`lease`: seconds."""
        self._db = database
        self._lease = lease

    def get(self, job_id: int) -> JobState | None:
        held = Jobs.lease_until > self._db.now
        with self._db.session() as db:
            query = Jobs.select(Jobs.id, Jobs.cart_id, Jobs.kind, Jobs.token, held).where(Jobs.id == job_id)
            row = query.tuples().first(db)
        if row is None:
            return None
        job, cart_id, kind, token, is_held = row
        return JobState(job, cart_id, kind, token, bool(is_held))

    def make_due(self, cart_id: int) -> list[JobMessage]:
        """Let every job of the cart that no worker holds be done now, as if it had never failed.

        A parked clean-up stays parked: it waits until no worker can be busy with the cart.
        """
        free = (Jobs.cart_id == cart_id) & (Jobs.kind != JobKind.CLEANUP) & (Jobs.lease_until <= self._db.now)
        return self._make_due(free)

    def make_paused_due(self) -> list[JobMessage]:
        """As `make_due`, of all jobs that wait until pulling goes on."""
        return self._make_due((Jobs.waits_for == WaitsFor.PAUSE) & (Jobs.lease_until <= self._db.now))

    def release(self, job: JobState) -> JobMessage | None:
        """Take a job from its holder, whose further writes are rejected; None if its claim is not `job`'s any more."""
        unclaimed = peewee.Case(None, [(Jobs.attempts > 0, Jobs.attempts - 1)], 0)
        free = {"attempts": unclaimed, "token": Jobs.token + 1, "lease_until": 0, **self._due_now}
        if not self._change(_is(job.id, job.token) & (Jobs.lease_until > self._db.now), free):
            return None
        return JobMessage(job.id, job.token + 1, group_of(job.cart_id))

    def is_being_cleared(self, cart_id: int) -> bool:
        """Whether a job deletes the cart's entries."""
        rows = (Jobs.cart_id == cart_id) & (Jobs.kind == JobKind.CLEANUP) & (Jobs.window == CleanupPass.ROWS)
        with self._db.session() as db:
            return bool(Jobs.select(Jobs.id).where(rows).exists(db))

    def _make_due(self, free: Any) -> list[JobMessage]:
        query = Jobs.select(Jobs.id, Jobs.token, Jobs.cart_id).where(free).order_by(Jobs.id)
        again = {"attempts": 0, "progress_at": self._db.now, **self._due_now}
        return [
            JobMessage(job, token, group_of(cart))
            for job, token, cart in list(query.tuples().execute(self._db.peewee))
            if self._change(free & _is(job, token), again)
        ]

    @property
    def _due_now(self) -> dict[str, Any]:
        now = self._db.now
        return {"due_at": now, "ready": 1, "has_message": 1, "sends": 0, "next_send_at": now + self._lease}

    def _change(self, which: Any, values: dict[str, Any]) -> bool:
        return bool(Jobs.update(**values).where(which).execute(self._db.peewee))


def _is(job_id: int, token: int) -> Any:
    return (Jobs.id == job_id) & (Jobs.token == token)
