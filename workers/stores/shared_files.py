"""The files that a job shares with assistants: the only SQL on their table.

A cart shares at most one range, that of the job named in the row: entries to look up during its recall, or files to
pull for its only window. The job and its assistants each take the next few.
"""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Shares
from chalicelib.stores.job_row import JobKind

SMALLEST_TAKE, LARGEST_TAKE = 8, 512  # files
TAKEN_FRACTION = 16  # of the files left; takes shrink towards the end, so that all workers end at about the same time


class SharedFileStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def share(self, cart_id: int, job_id: int, first: int, stop: int) -> None:
        """Share files `first` to `stop` (exclusive), within the caller's transaction."""
        fields = [Shares.cart_id, Shares.job_id, Shares.next, Shares.stop]
        query = Shares.insert_from(self._db.values([(cart_id, job_id, first, stop)]), fields)
        self._db.upsert(query, [Shares.cart_id], fields[1:]).execute(self._db.peewee)

    def take(self, cart_id: int) -> tuple[int, range] | None:
        """Take the next few files, within the caller's transaction; return the sharing job's id and their range.

        None when all are taken, or nothing is shared.
        """
        while True:
            query = Shares.select(Shares.job_id, Shares.next, Shares.stop).where(Shares.cart_id == cart_id)
            row = query.tuples().first(self._db.peewee)
            if row is None or row[1] >= row[2]:
                return None
            job_id, first, stop = row
            count = max(SMALLEST_TAKE, min(LARGEST_TAKE, (stop - first) // TAKEN_FRACTION))
            taken = range(first, min(first + count, stop))
            update = Shares.update(next=taken.stop).where(Shares.cart_id == cart_id, Shares.next == first)
            if update.execute(self._db.peewee):
                return job_id, taken

    def end(self, cart_id: int) -> None:
        """Stop sharing, within the caller's transaction."""
        Shares.delete().where(Shares.cart_id == cart_id).execute(self._db.peewee)

    def has_assistants(self, cart_id: int) -> bool:
        """Whether an assistant of the cart is at work."""
        held = (Jobs.cart_id == cart_id) & (Jobs.kind == JobKind.ASSIST) & (Jobs.lease_until > self._db.now)
        with self._db.session() as db:
            return Jobs.select(Jobs.id).where(held).limit(1).tuples().first(db) is not None
