"""One recall per file across all carts: the only SQL on their table.

A job claims a file before it asks the archive for it. A claim that was not followed by an accepted recall, because of a
crash or a refusal, lapses after a minute; then another job may claim the file.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs, Recalls

CLAIM_LIFE = 60.0  # seconds


class RecallStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(self, job_id: int, archive_ids: Collection[str]) -> list[str]:
        """Claim files for recall; return those that the caller must ask the archive for."""
        claimed: list[str] = []
        for ids in chunks(sorted(archive_ids)):
            claimed += self._db.transaction(lambda ids=ids: self._claim(job_id, ids))  # type: ignore[misc]
        return claimed

    def release(self, archive_ids: Collection[str]) -> None:
        """The archive refused to recall these files: any job may claim them again."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                unasked = Recalls.requested_at.is_null()
                Recalls.delete().where(Recalls.archive_id.in_(self._db.listed(ids)), unasked).execute(db)

    def mark_requested(self, archive_ids: Collection[str]) -> None:
        """The archive accepted the recall of these files."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                accepted = Recalls.update(requested_at=self._db.now)
                accepted.where(Recalls.archive_id.in_(self._db.listed(ids))).execute(db)

    def forget_online(self, archive_ids: Collection[str]) -> None:
        """These files are on disk. If they go back to tape, they are recalled again."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                Recalls.delete().where(Recalls.archive_id.in_(self._db.listed(ids))).execute(db)

    def _claim(self, job_id: int, ids: Sequence[str]) -> list[str]:
        now = self._db.clock()
        these = Recalls.archive_id.in_(self._db.listed(ids))
        lapsed = Recalls.requested_at.is_null() & (Recalls.claimed_until <= now)
        abandoned = Recalls.job_id.not_in(Jobs.select(Jobs.id))
        Recalls.delete().where(these, lapsed | abandoned).execute(self._db.peewee)
        taken = Recalls.select(Recalls.archive_id).where(these).tuples().execute(self._db.peewee)
        free = sorted(set(ids) - {row[0] for row in taken})
        if free:
            rows = [(archive_id, job_id, None, now + CLAIM_LIFE) for archive_id in free]
            fields = [Recalls.archive_id, Recalls.job_id, Recalls.requested_at, Recalls.claimed_until]
            Recalls.insert_from(self._db.values(rows), fields).execute(self._db.peewee)
        return free
