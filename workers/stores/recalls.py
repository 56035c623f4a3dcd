"""One recall per file across all carts; tape_looks.py has what becomes of it.

A job claims a file before it asks the archive for it. A claim that was not followed by an accepted recall, because of a
crash or a refusal, lapses after a minute; then another job may claim the file. What is known of the file stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from peewee import fn

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Recalls
from chalicelib.errors import LimitReached
from workers.stores.recall_owners import RecallOwners

CLAIM_LIFE = 60.0  # seconds
FIRST_LOOK = 1.0  # seconds from a claim until the file may be looked at
ANSWERED = 0  # the job of a row whose file is online, or not delivered

#: Size in bytes and mtime in nanoseconds, by archive id.
Found = Mapping[str, tuple[int, int]]

_CLAIMED = (
    Recalls.archive_id,
    Recalls.job_id,
    Recalls.claimed_until,
    Recalls.owner,
    Recalls.claimed_at,
    Recalls.next_look_at,
    Recalls.size,
    Recalls.mtime_ns,
)


class RecallStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._owners = RecallOwners(database)

    def claim(
        self, job_id: int, archive_ids: Collection[str], owner: str = NOBODY, found: Found | None = None
    ) -> list[str]:
        """Claim files for recall; return those that the caller must ask the archive for.

        As many as `owner`, whose cart needs them, may have recalled at a time: the others stay free. `found`: what the
        archive has just said of the files.
        """
        claimed: list[str] = []
        for ids in chunks(sorted(archive_ids)):
            try:
                claimed += self._db.transaction(lambda ids=ids: self._claim(job_id, ids, owner, found or {}))  # type: ignore[misc]
            except LimitReached:  # another job of the owner was faster
                break
        return claimed

    def release(self, archive_ids: Collection[str]) -> None:
        """The archive refused to recall these files: any job may claim them again. They are looked at all the same."""
        for ids in chunks(sorted(archive_ids)):
            refused = Recalls.archive_id.in_(self._db.listed(ids)) & Recalls.requested_at.is_null()
            self._db.transaction(lambda refused=refused: self._owners.release(refused, _OPEN, claimed_until=0))  # type: ignore[misc]

    def mark_requested(self, archive_ids: Collection[str]) -> None:
        """The archive accepted the recall of these files."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                accepted = Recalls.update(requested_at=self._db.now)
                accepted.where(Recalls.archive_id.in_(self._db.listed(ids)), _OPEN).execute(db)

    def delete_abandoned(self, most: int) -> int:
        """Delete up to `most` recalls whose job is gone, within the caller's transaction; return how many it deleted.

        No other job may ever need such a file, so nothing else would delete the row. Answers that are old go as well.
        """
        deleted = self._delete_some(most, Recalls.job_id == ANSWERED, Recalls.claimed_until <= self._db.now)
        job_id = next_job(self._db, 0)
        while job_id is not None and deleted < most:
            if not Jobs.select(Jobs.id).where(Jobs.id == job_id).exists(self._db.peewee):
                deleted += self._delete_some(most - deleted, Recalls.job_id == job_id)
            job_id = next_job(self._db, job_id)
        return deleted

    def _delete_some(self, most: int, *which: Any) -> int:
        query = Recalls.select(Recalls.archive_id).where(*which).limit(most)
        ids = [row[0] for row in query.tuples().execute(self._db.peewee)]
        return self._owners.delete(Recalls.archive_id.in_(self._db.listed(ids)), *which) if ids else 0

    def _claim(self, job_id: int, ids: Sequence[str], owner: str, found: Found) -> list[str]:
        now = self._db.clock()
        these = Recalls.archive_id.in_(self._db.listed(ids))
        self._owners.delete(these, Recalls.job_id.not_in(Jobs.select(Jobs.id)))  # answers as well: they are out of date
        self._owners.release(these, _lapsed(now))
        taken = Recalls.select(Recalls.archive_id, _lapsed(now)).where(these).tuples().execute(self._db.peewee)
        rows = {archive_id: bool(lapsed) for archive_id, lapsed in taken}
        free = [archive_id for archive_id in sorted(set(ids)) if rows.get(archive_id, True)][: self._owners.room(owner)]
        if again := [archive_id for archive_id in free if archive_id in rows]:
            taken_over = Recalls.update(job_id=job_id, claimed_until=now + CLAIM_LIFE, owner=owner)
            taken_over.where(Recalls.archive_id.in_(self._db.listed(again))).execute(self._db.peewee)
        if new := [archive_id for archive_id in free if archive_id not in rows]:
            self._insert(job_id, new, owner, found, now)
        self._owners.take(owner, len(free))
        return free

    def _insert(self, job_id: int, ids: Sequence[str], owner: str, found: Found, now: float) -> None:
        claim = (job_id, now + CLAIM_LIFE, owner, now, now + FIRST_LOOK)
        rows = [(archive_id, *claim, *found.get(archive_id, (None, None))) for archive_id in ids]
        Recalls.insert_from(self._db.values(rows), _CLAIMED).execute(self._db.peewee)


_OPEN = Recalls.job_id != ANSWERED


def _lapsed(now: float) -> Any:
    return Recalls.requested_at.is_null() & (Recalls.claimed_until <= now)


def next_job(database: Database, after: int) -> int | None:
    """The next job that has recalls: one look into the index a job, however many recalls each has."""
    found = Recalls.select(fn.MIN(Recalls.job_id)).where(Recalls.job_id > after).scalar(database.peewee)
    return None if found is None else int(found)
