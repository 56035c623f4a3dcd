"""What a job shares with assistants: a run of its files, from which each takes the next few. The only SQL on it.

A cart has at most one share, that of the job it names: its recall's while files are asked for, its one window's while
they are pulled.
"""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs, Shares

FEW, MANY = 8, 512  # files that are taken at once
OF_WHAT_IS_LEFT = 16  # ever fewer are taken towards the end, so that all end at about the same time


class ShareStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def open(self, cart_id: int, job_id: int, first: int, stop: int) -> None:
        """Share files `first` to `stop` (exclusive), within the caller's transaction."""
        fields = [Shares.cart_id, Shares.job_id, Shares.next, Shares.stop]
        query = Shares.insert_from(self._db.values([(cart_id, job_id, first, stop)]), fields)
        self._db.upsert(query, [Shares.cart_id], fields[1:]).execute(self._db.peewee)

    def take(self, cart_id: int) -> tuple[int, range] | None:
        """The sharing job and the next few files, which are the caller's now; within its transaction."""
        while True:
            query = Shares.select(Shares.job_id, Shares.next, Shares.stop).where(Shares.cart_id == cart_id)
            row = query.tuples().first(self._db.peewee)
            if row is None or row[1] >= row[2]:
                return None
            job_id, first, stop = row
            some = max(FEW, min(MANY, (stop - first) // OF_WHAT_IS_LEFT))
            taken = range(first, min(first + some, stop))
            update = Shares.update(next=taken.stop).where(Shares.cart_id == cart_id, Shares.next == first)
            if update.execute(self._db.peewee):
                return job_id, taken

    def close(self, cart_id: int) -> None:
        """Within the caller's transaction."""
        Shares.delete().where(Shares.cart_id == cart_id).execute(self._db.peewee)

    def assisted(self, cart_id: int, kind: str) -> bool:
        """Whether any assistant of the cart is at work."""
        with self._db.session() as db:
            alive = (Jobs.cart_id == cart_id) & (Jobs.kind == kind) & (Jobs.lease_until > self._db.now)
            return Jobs.select(Jobs.id).where(alive).limit(1).tuples().first(db) is not None
