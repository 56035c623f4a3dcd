"""What each job waits for: a read model over jobs. It writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import peewee
from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor
from chalicelib.stores.cart_waits import SOON

WORKING = ""  # what a job waits for that a worker holds
#: Words of a reason -> what it means. A job that the previous release deferred has a reason and no word.
MEANINGS = (
    ("tape", WaitsFor.TAPE),
    ("volume is full", WaitsFor.SPACE),
    ("space", WaitsFor.SPACE),
    ("archive", WaitsFor.ARCHIVE),
    ("store", WaitsFor.STORE),
    ("queue", WaitsFor.QUEUE),
    ("database", WaitsFor.DATABASE),
    ("policy", WaitsFor.POLICY),
    ("limit", WaitsFor.LIMIT),
    ("turn", WaitsFor.TURN),
    ("small carts", WaitsFor.TURN),
    ("busy", WaitsFor.TURN),
)


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """One job. `waits_for`: WORKING while a worker holds it; `reason`: in words, void for none; `since`: of the wait.

    Times are seconds since the epoch. `held`: whether a worker has its lease.
    """

    id: int
    cart_id: int
    kind: str
    window: int
    attempts: int
    held: bool
    waits_for: str
    reason: str
    since: float
    due_at: float


@dataclass(frozen=True, slots=True)
class JobGroup:
    """Jobs of one kind that wait for the same: how many, and since when the first of them does."""

    kind: str
    waits_for: str
    jobs: int
    since: float


@dataclass(frozen=True, slots=True)
class CartWait:
    """What a cart waits for, WORKING if a worker has one of its jobs; since when, and why, in words."""

    waits_for: str
    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Jobs by what the queue has to do with them. `oldest_due_at`: of those that a worker may take."""

    held: int
    due: int
    later: int
    oldest_due_at: float | None


class JobWaitStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def of_cart(self, cart_id: int, most: int) -> list[WaitingJob]:
        """Up to `most` jobs of the cart, the oldest first."""
        return self._jobs(Jobs.cart_id == cart_id, most)

    def find(self, job_ids: Collection[int]) -> dict[int, WaitingJob]:
        """Those of these jobs that are there."""
        return {job.id: job for job in self._jobs(Jobs.id.in_(sorted(job_ids)), len(job_ids))} if job_ids else {}

    def of_carts(self, cart_ids: Collection[int]) -> dict[int, CartWait]:
        """What each of these carts waits for, by its jobs; carts without a job are left out."""
        now = self._db.now
        what = waits_for(now)
        query = Jobs.select(Jobs.cart_id, what, fn.MIN(_since(now)), fn.MAX(_reason(now))).where(
            Jobs.cart_id.in_(sorted(cart_ids))
        )
        query = query.where(Jobs.kind != "cleanup").group_by(Jobs.cart_id, what)
        found: dict[int, CartWait] = {}
        with self._db.session() as db:
            for cart_id, waits, since, why in query.tuples().execute(db):
                wait = CartWait(waits, since, "" if waits == WORKING else why)
                found[cart_id] = min(found.get(cart_id, wait), wait, key=_weight)
        return found

    def groups(self) -> list[JobGroup]:
        """All jobs, by kind and by what they wait for."""
        now = self._db.now
        what = waits_for(now)
        query = Jobs.select(Jobs.kind, what, fn.COUNT(1), fn.MIN(_since(now))).group_by(Jobs.kind, what)
        with self._db.session() as db:
            rows = [JobGroup(*row) for row in query.tuples().execute(db)]
        return sorted(rows, key=lambda row: (row.kind, row.waits_for))

    def line(self) -> QueueLine:
        """How many jobs workers hold, may take now, and may take later."""
        now = self._db.now
        free = Jobs.lease_until <= now
        due = free & (Jobs.due_at <= now)
        counts = [fn.COALESCE(fn.SUM(peewee.Case(None, [(which, 1)], 0)), 0) for which in (~free, due)]
        oldest = fn.MIN(peewee.Case(None, [(due, Jobs.due_at)], None))
        query = Jobs.select(*counts, fn.COUNT(1), oldest)
        with self._db.session() as db:
            held, ready, every, oldest_at = query.tuples().first(db)
        return QueueLine(int(held), int(ready), int(every) - int(held) - int(ready), oldest_at)

    def _jobs(self, which: Any, most: int) -> list[WaitingJob]:
        now = self._db.now
        columns = (Jobs.id, Jobs.cart_id, Jobs.kind, Jobs.window, Jobs.attempts)
        query = Jobs.select(*columns, Jobs.lease_until > now, waits_for(now), _reason(now), _since(now), Jobs.due_at)
        with self._db.session() as db:
            rows: Sequence[Any] = query.where(which).order_by(Jobs.id).limit(most).tuples().execute(db)
            jobs = [WaitingJob(*row) for row in rows]
        return [dataclasses.replace(job, held=bool(job.held)) for job in jobs]


def waits_for(now: Any) -> Any:
    """SQL for what a job waits for: a value of WaitsFor, or WORKING.

    A job that has been due for a while waits for a worker or for its message, whatever it waited for before.
    """
    meanings = [(Jobs.wait_reason.contains(words), meaning.value) for words, meaning in MEANINGS]
    failed = (Jobs.wait_reason != "") | (Jobs.last_error != "")
    return peewee.Case(
        None,
        [
            (_overdue(now) & (Jobs.has_message == 0), WaitsFor.QUEUE.value),
            (_overdue(now), WaitsFor.WORKER.value),
            (Jobs.waits_for != "", Jobs.waits_for),
            (Jobs.lease_until > now, WORKING),
            *meanings,
            (failed, WaitsFor.RETRY.value),
            (Jobs.has_message == 0, WaitsFor.QUEUE.value),
        ],
        WaitsFor.WORKER.value,
    )


def _overdue(now: Any) -> Any:
    return (Jobs.lease_until <= now) & (Jobs.due_at < now - SOON)


def _since(now: Any) -> Any:
    """Older rows say only when the job made progress last."""
    return peewee.Case(None, [(_overdue(now), Jobs.due_at)], fn.COALESCE(Jobs.waits_since, Jobs.progress_at))


def _reason(now: Any) -> Any:
    """Void for a job that is due: what it waited for before is no reason any more."""
    reason = fn.COALESCE(fn.NULLIF(Jobs.last_error, ""), Jobs.wait_reason)
    return peewee.Case(None, [(_overdue(now), "")], reason)


def _weight(wait: CartWait) -> tuple[bool, bool, float]:
    """What a cart waits for is the least. Jobs wait for a worker because others of the cart wait for something else."""
    return wait.waits_for != WORKING, wait.waits_for == WaitsFor.WORKER, wait.since
