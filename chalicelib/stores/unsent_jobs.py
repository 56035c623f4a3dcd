"""The sweep's SQL on jobs: which ones have no message, or a message that is lost.

Every job but a parked one has one message, which is in the queue or with the worker that holds the job. If the queue
has fewer messages than there are such jobs, the difference is lost. Resending never lengthens a long queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.turns import is_due

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """After each resend the job waits twice as long for the next, up to `doublings` times.

    A job overdue by `overdue_leases` leases is resent whatever the queue's count says, because SQS only approximates
    it. `longest_delay` (seconds) is more than any job is deferred by.
    """

    doublings: int = 5
    overdue_leases: int = 30
    longest_delay: float = 1000


class _Due(NamedTuple):
    job_id: int
    cart_id: int
    sends: int
    token: int
    overdue: bool


# The previous release marks a job without a message by sends = -1.
_WITHOUT_MESSAGE = (Jobs.has_message == 0) | (Jobs.sends < 0)
_WITH_MESSAGE = (Jobs.has_message == 1) & (Jobs.sends >= 0)


class UnsentJobStore:
    """`lease` is in seconds."""

    def __init__(self, database: Database, lease: float, policy: ResendPolicy = ResendPolicy()) -> None:
        self._db = database
        self._lease = lease
        self._policy = policy

    def take_due(self, limit: int, count_messages: Callable[[], int]) -> list[JobMessage]:
        """Up to `limit` messages to send. No worker holds these jobs, and none of them was sent within a lease.

        `count_messages` returns how many messages the queue has, delayed ones not included.
        """
        self._reset_after_clock_change()
        unsent = self._due(limit, _WITHOUT_MESSAGE)
        sent = self._due(limit - len(unsent), _WITH_MESSAGE)
        if sent:
            missing = self._expected_messages() - count_messages()
            # Resend the oldest: the queue would have delivered them first.
            sent = [job for place, job in enumerate(sent) if place < missing or job.overdue]
        with self._db.session() as db:
            self._mark_sent(db, [job.job_id for job in unsent], 0, 0)
            for sends in {job.sends for job in sent}:
                self._mark_sent(db, [job.job_id for job in sent if job.sends == sends], sends + 1, sends)
        return [JobMessage(job.job_id, job.token, group_of(job.cart_id)) for job in (*unsent, *sent)]

    def take_unsent(self, limit: int) -> list[JobMessage]:
        """As `take_due`, for a queue that loses nothing: only jobs that another queue left without a message."""
        self._reset_after_clock_change()
        unsent = self._due(limit, _WITHOUT_MESSAGE)
        with self._db.session() as db:
            self._mark_sent(db, [job.job_id for job in unsent], 0, 0)
        return [JobMessage(job.job_id, job.token, group_of(job.cart_id)) for job in unsent]

    def mark_unsent(self, messages: Iterable[JobMessage]) -> None:
        """Record that the queue did not take these messages: their jobs are due at once."""
        ids = [message.job_id for message in messages]
        query = Jobs.update(has_message=0, next_send_at=self._db.now, ready=0)
        with self._db.session() as db:
            query.where(Jobs.id.in_(ids), Jobs.lease_until <= self._db.now).execute(db)

    def unclaimed(self, job_id: int, token: int) -> JobMessage | None:
        """The message of a job that is due and has not been claimed since `token`; None if there is none."""
        free = (Jobs.id == job_id) & (Jobs.token == token) & is_due(self._db.now, self._lease)
        with self._db.session() as db:
            row = Jobs.select(Jobs.cart_id).where(free).tuples().first(db)
        return JobMessage(job_id, token, group_of(row[0])) if row else None

    def _mark_sent(self, db: Any, ids: list[int], sends: int, doublings: int) -> None:
        if ids:
            wait = self._lease * min(2 ** min(doublings, self._policy.doublings), self._policy.overdue_leases)
            query = Jobs.update(sends=sends, has_message=1, next_send_at=self._db.now + wait)
            query.where(Jobs.id.in_(ids), Jobs.lease_until <= self._db.now).execute(db)

    def _reset_after_clock_change(self) -> None:
        """Make jobs due whose lease or wait is impossibly far ahead: the database's clock was set back."""
        latest = self._db.now + self._policy.overdue_leases * self._lease + self._policy.longest_delay
        query = Jobs.update(lease_until=0, next_send_at=self._db.now, due_at=self._db.now)
        with self._db.session() as db:
            if query.where(Jobs.next_send_at > latest).execute(db):
                log.warning("the database's clock was set back: jobs with a lease or wait too far ahead are due now")

    def _due(self, limit: int, which: Any) -> list[_Due]:
        now = self._db.now
        overdue = Jobs.next_send_at <= now - self._policy.overdue_leases * self._lease
        query = (
            Jobs.select(Jobs.id, Jobs.cart_id, Jobs.sends, Jobs.token, overdue)
            .where(Jobs.next_send_at <= now, Jobs.lease_until <= now, which)
            .order_by(Jobs.next_send_at)
            .limit(limit)
        )
        with self._db.session() as db:
            return [_Due(*row) for row in query.tuples().execute(db)]

    def _expected_messages(self) -> int:
        """How many messages the queue should have, delayed ones not included."""
        undelayed = (Jobs.sends > 0) | ((Jobs.sends == 0) & (Jobs.next_send_at <= self._db.now + self._lease))
        with self._db.session() as db:
            return int(Jobs.select().where(Jobs.has_message == 1, undelayed).count(db))
