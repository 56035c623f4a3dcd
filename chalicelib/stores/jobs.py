"""Jobs: their rows, and the JSON of the messages that point at them.

A row is the truth, a message only a hint to look at it. Every write of a worker goes through `fenced`, which renews the
lease and checks the token in the same transaction: a worker that lost its job, or whose cart is gone, writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs, Volume
from chalicelib.errors import LeaseLost

T = TypeVar("T")

VERSION = 1  # of the message; a worker leaves messages of a version it does not know to newer workers
MANIFEST, RECALL, WINDOW, CLEANUP, RECONCILE = "manifest", "recall", "window", "cleanup", "reconcile"
ASSIST = "assist"
WAITS = "waits: "  # what the last error of a job begins with that was put off
NO_CART = 0  # of a job that is no cart's
NO_MESSAGE = -1  # `sends` of a job that has no message: the sweep sends it when it is due
_COLUMNS = (Jobs.id, Jobs.cart_id, Jobs.kind, Jobs.window, Jobs.attempts, Jobs.token, Jobs.progress_at, Jobs.last_error)


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job. `attempts` counts this one too; `token` is this claim's fence."""

    id: int
    cart_id: int
    kind: str
    window: int
    attempts: int
    token: int
    progress_at: float
    last_error: str


@dataclass(frozen=True, slots=True)
class JobMessage:
    """What a message says: a job to look at, and the claim it follows; `group` is what it is fairly queued in."""

    job_id: int
    token: int
    group: str


def encode(hint: JobMessage) -> str:
    return json.dumps({"v": VERSION, "job": hint.job_id, "token": hint.token})


def decode(body: str) -> tuple[int, int] | None:
    """The job's id and token; None for a message that is not ours. Raises LookupError for one of a newer version."""
    try:
        message = json.loads(body)
        version, job_id, token = int(message["v"]), int(message["job"]), int(message["token"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if version > VERSION:
        raise LookupError(f"message of version {version}")
    return job_id, token


class JobStore:
    """The only SQL on jobs. `lease` is in seconds."""

    def __init__(self, database: Database, lease: float) -> None:
        self._db = database
        self._lease = lease

    def add(self, cart_id: int, kind: str, window: int = 0) -> JobMessage:
        """Insert a job, within the caller's transaction; send the hint after the commit."""
        now = self._db.now
        query = Jobs.insert(
            cart_id=cart_id, kind=kind, window=window, next_send_at=_later(now, self._lease), progress_at=now
        )
        return JobMessage(query.execute(self._db.peewee), 0, group_of(cart_id))

    def claim(self, job_id: int, token: int) -> Job | None:
        """Take the lease of a job nobody holds; None when it is held, or gone.

        A message counts for the claim it follows: another one, late or doubled, only when the job is due anyway. So
        a job that waits is not looked at more often for every copy of its messages.
        """
        now, until = self._db.now, _later(self._db.now, self._lease)
        taken = Jobs.update(
            token=Jobs.token + 1, attempts=Jobs.attempts + 1, sends=0, lease_until=until, next_send_at=until
        ).where(Jobs.id == job_id, Jobs.lease_until <= now, (Jobs.token == token) | (Jobs.next_send_at <= now))
        with self._db.session() as db:
            if not taken.execute(db):
                return None
            row = Jobs.select(*_COLUMNS).where(Jobs.id == job_id).tuples().first(db)
        return Job(*row) if row else None

    def renew(self, jobs: Iterable[Job]) -> list[Job]:
        """Lengthen these leases; the jobs whose lease is lost."""
        with self._db.session() as db:
            return [job for job in jobs if not self._held(job).execute(db)]

    def fenced(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """Run `work` in a transaction that holds the job's row and renews its lease.

        `kind` and `window`, where given, are what the job is from then on. Raises LeaseLost when the lease is another's
        or the job is gone.
        """
        return self._db.transaction(lambda: self._guarded(job, work, self._becoming(job, kind, window)))

    def progressed(self, job: Job, work: Callable[[], T], kind: str | None = None, window: int | None = None) -> T:
        """As `fenced`, for work after which less is left to do: attempts are counted anew."""
        progress = {"attempts": 0, "progress_at": self._db.now}
        return self._db.transaction(lambda: self._guarded(job, work, progress | self._becoming(job, kind, window)))

    def finish(self, job: Job, work: Callable[[], T]) -> T:
        """Delete the job and run `work`, its end, in one transaction. Raises LeaseLost as `fenced`."""

        def guarded() -> T:
            if not Jobs.delete().where(_is(job)).execute(self._db.peewee):
                raise LeaseLost
            return work()

        return self._db.transaction(guarded)

    def defer(self, job: Job, delay: float, reason: str = "") -> bool:
        """Give the lease up until `delay` seconds from now; not a failed attempt. False when it was lost."""
        return self._wait(job, reason, next_send_at=_later(self._db.now, delay + self._lease))

    def park(self, job: Job, delay: float, reason: str, window: int) -> bool:
        """As `put_off`, for what has time: it has no message, the sweep sends one then. `window`: the job's then."""
        return self._wait(job, reason, next_send_at=_later(self._db.now, delay), sends=NO_MESSAGE, window=window)

    def requeue(self, job: Job) -> None:
        """Give the lease up at once, as if the job had never been claimed; the sweep sees it as due."""
        unclaimed = peewee.Case(None, [(Jobs.attempts > 0, Jobs.attempts - 1)], 0)
        query = Jobs.update(attempts=unclaimed, token=Jobs.token + 1, lease_until=0, next_send_at=self._db.now)
        with self._db.session() as db:
            query.where(_is(job)).execute(db)

    def release(self, job: Job, delay: float, error: str) -> None:
        """Give up a failed attempt, noting why."""
        due = _later(self._db.now, delay + self._lease)
        query = Jobs.update(lease_until=0, next_send_at=due, last_error=error[:1024]).where(_is(job))
        with self._db.session() as db:
            query.execute(db)

    def drop_all(self, cart_id: int) -> None:
        """Take every job of a cart away, held or not, within the caller's transaction: its workers stop."""
        Jobs.delete().where(Jobs.cart_id == cart_id).execute(self._db.peewee)

    def drop_others(self, job: Job) -> None:
        """Take every other job of this one's cart away, within the caller's transaction."""
        Jobs.delete().where(Jobs.cart_id == job.cart_id, Jobs.id != job.id).execute(self._db.peewee)

    def unclaimed(self, job_id: int, token: int) -> int:
        """The cart of a job that nobody has claimed since `token`, locked in the caller's transaction; else 0."""
        since = (Jobs.id == job_id) & (Jobs.token == token) & (Jobs.lease_until <= self._db.now)
        if not Jobs.update(sends=Jobs.sends).where(since).execute(self._db.peewee):
            return 0
        row = Jobs.select(Jobs.cart_id).where(Jobs.id == job_id).tuples().first(self._db.peewee)
        return int(row[0]) if row else 0

    def last_error(self, cart_id: int) -> str:
        """What was last said of a job of this cart, within the caller's transaction."""
        said = Jobs.select(Jobs.last_error).where(Jobs.cart_id == cart_id, Jobs.last_error != "").tuples()
        row = said.order_by(Jobs.progress_at.desc()).first(self._db.peewee)
        return str(row[0]) if row else ""

    def alive(self, owners: Iterable[str]) -> set[str]:
        """Those of these holds, named `job-token`, that are still in force."""
        ids = sorted({int(owner.partition("-")[0]) for owner in owners if owner.partition("-")[0].isdigit()})
        with self._db.session() as db:
            query = Jobs.select(Jobs.id, Jobs.token).where(Jobs.id.in_(ids), Jobs.lease_until > self._db.now)
            return {f"{job_id}-{token}" for job_id, token in query.tuples().execute(db)}

    def ask_to_reconcile(self, every: float) -> list[JobMessage]:
        """Add the job that reconciles the volume, unless one was added within `every` seconds."""

        def work() -> list[JobMessage]:
            due = (Volume.id == 1) & (Volume.reconciled_at <= self._db.now - every)
            if not Volume.update(reconciled_at=self._db.now).where(due).execute(self._db.peewee):
                return []
            Jobs.delete().where(Jobs.cart_id == NO_CART, Jobs.lease_until <= self._db.now).execute(self._db.peewee)
            return [self.add(NO_CART, RECONCILE)]

        return self._db.transaction(work)

    def _wait(self, job: Job, reason: str, **when: Any) -> bool:
        query = Jobs.update(attempts=0, lease_until=0, last_error=f"{WAITS}{reason}"[:1024], **({"sends": 0} | when))
        with self._db.session() as db:
            return bool(query.where(_is(job)).execute(db))

    def _held(self, job: Job) -> Any:
        until = _later(self._db.now, self._lease)
        return Jobs.update(lease_until=until, next_send_at=until).where(_is(job), Jobs.lease_until > self._db.now)

    def _becoming(self, job: Job, kind: str | None, window: int | None) -> dict[str, Any]:
        return {"kind": kind or job.kind, "window": job.window if window is None else window}

    def _guarded(self, job: Job, work: Callable[[], T], changes: dict[str, Any]) -> T:
        now, until = self._db.now, _later(self._db.now, self._lease)
        held = Jobs.update(lease_until=until, next_send_at=until, **changes).where(_is(job), Jobs.lease_until > now)
        if not held.execute(self._db.peewee):
            raise LeaseLost
        return work()


def group_of(cart_id: int) -> str:
    """The group SQS queues fairly between."""
    return f"cart-{cart_id}"


def _is(job: Job) -> Any:
    # Renewing asks for a live lease besides: one that ran out may have been acted upon, so it never comes back.
    return (Jobs.id == job.id) & (Jobs.token == job.token)


def _later(now: Any, seconds: float) -> Any:
    return now + seconds
