"""One recall per file across all carts: the only SQL on recalls.

Whoever is to ask for a file claims it first. A claim that came to nothing, by a crash or an archive that did not take
it, lapses after a minute, and the file may be claimed again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs, Recalls

CLAIMED = 60.0  # seconds


class RecallStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(self, job_id: int, archive_ids: Collection[str]) -> list[str]:
        """Those of these files that the caller is to recall now."""
        claimed: list[str] = []
        for ids in chunks(sorted(archive_ids)):
            claimed += self._db.transaction(lambda some=ids: self._claim(job_id, some))  # type: ignore[misc]
        return claimed

    def refused(self, archive_ids: Collection[str]) -> None:
        """The archive did not take the recall of these files: whoever looks next may ask again."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                unasked = Recalls.requested_at.is_null()
                Recalls.delete().where(Recalls.archive_id.in_(self._db.listed(ids)), unasked).execute(db)

    def requested(self, archive_ids: Collection[str]) -> None:
        """The archive took the recall of these files."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                Recalls.update(requested_at=self._db.now).where(Recalls.archive_id.in_(self._db.listed(ids))).execute(
                    db
                )

    def online(self, archive_ids: Collection[str]) -> None:
        """These files are on disk: if they ever go back to tape, they are to be recalled anew."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                Recalls.delete().where(Recalls.archive_id.in_(self._db.listed(ids))).execute(db)

    def _claim(self, job_id: int, ids: Sequence[str]) -> list[str]:
        now = self._db.clock()
        these = Recalls.archive_id.in_(self._db.listed(ids))
        lapsed = Recalls.requested_at.is_null() & (Recalls.claimed_until <= now)
        void = Recalls.job_id.not_in(Jobs.select(Jobs.id))
        Recalls.delete().where(these, lapsed | void).execute(self._db.peewee)
        taken = Recalls.select(Recalls.archive_id).where(these).tuples().execute(self._db.peewee)
        free = sorted(set(ids) - {row[0] for row in taken})
        if free:
            rows = [(archive_id, job_id, None, now + CLAIMED) for archive_id in free]
            fields = [Recalls.archive_id, Recalls.job_id, Recalls.requested_at, Recalls.claimed_until]
            Recalls.insert_from(self._db.values(rows), fields).execute(self._db.peewee)
        return free
