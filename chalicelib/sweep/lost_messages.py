"""Jobs the sweep sends: those that have no message, and those whose message is lost, by evidence and not by hope.

Each job has one message, visible in the queue or with the worker that holds it. So as many are lost as there are fewer
messages than jobs. A queue that is merely deep is never made deeper, and while it holds messages no worker is idle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.stores.jobs import NO_MESSAGE, JobMessage, group_of

LONGEST = 30  # leases; after which a job is sent again whatever the queue says, since it only says so approximately
LONGEST_DELAY = 1000  # seconds a job is put off at the most, with some to spare
DOUBLINGS = 5  # from the first wait for a message sent again to the longest

log = logging.getLogger(__name__)

Row = tuple[int, int, int, int, bool]


class ResendStore:
    """`lease` is in seconds."""

    def __init__(self, database: Database, lease: float) -> None:
        self._db = database
        self._lease = lease

    def due(self, limit: int, messages: Callable[[], int]) -> list[JobMessage]:
        """Jobs to send, each due again after twice the time; `messages`: how many the queue has, but for delayed ones.

        Nobody holds these jobs, and no message can be on its way to them within a lease.
        """
        self._after_a_clock_set_back()
        untold = self._overdue(limit, Jobs.sends == NO_MESSAGE)
        told = self._overdue(limit - len(untold), Jobs.sends > NO_MESSAGE)
        if told:
            there = messages()
            missing = self._expected() - there
            # The oldest are taken for those that are missing: they would have had their turn first.
            told = [row for place, row in enumerate(told) if place < missing or row[4]]
        rows = untold + told
        with self._db.session() as db:
            for sends in {row[2] for row in rows}:
                wait = self._lease * min(2 ** min(max(sends, 0), DOUBLINGS), LONGEST)
                again = Jobs.update(sends=sends + 1, next_send_at=self._db.now + wait)
                ids = [row[0] for row in rows if row[2] == sends]
                again.where(Jobs.id.in_(ids), Jobs.lease_until <= self._db.now).execute(db)
        return [JobMessage(job_id, token, group_of(cart_id)) for job_id, cart_id, _, token, _ in rows]

    def unsent(self, hints: Iterable[JobMessage]) -> None:
        """The queue did not take these: they have no message, and are due at once."""
        ids = [hint.job_id for hint in hints]
        untold = Jobs.update(sends=NO_MESSAGE, next_send_at=self._db.now)
        with self._db.session() as db:
            untold.where(Jobs.id.in_(ids), Jobs.lease_until <= self._db.now).execute(db)

    def _after_a_clock_set_back(self) -> None:
        """No job is put off, or held, until later than this, unless the database's clock has been set back since."""
        latest = self._db.now + LONGEST * self._lease + LONGEST_DELAY
        now = Jobs.update(lease_until=0, next_send_at=self._db.now).where(Jobs.next_send_at > latest)
        with self._db.session() as db:
            if now.execute(db):
                log.warning("jobs were held or put off for longer than anyone does it: they are due now")

    def _overdue(self, limit: int, which: Any) -> list[Row]:
        now = self._db.now
        late = Jobs.next_send_at <= now - LONGEST * self._lease
        query = (
            Jobs.select(Jobs.id, Jobs.cart_id, Jobs.sends, Jobs.token, late)
            .where(Jobs.next_send_at <= now, Jobs.lease_until <= now, which)
            .order_by(Jobs.next_send_at)
            .limit(limit)
        )
        with self._db.session() as db:
            return list(query.tuples().execute(db))

    def _expected(self) -> int:
        """How many messages there should be, but for those that are delayed."""
        sent_now = (Jobs.sends == 0) & (Jobs.next_send_at <= self._db.now + self._lease)
        with self._db.session() as db:
            return int(Jobs.select().where((Jobs.sends > 0) | sent_now).count(db))
