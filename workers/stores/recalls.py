"""One recall per file across all carts: the only SQL on their table.

A job claims a file before it asks the archive for it. A claim that was not followed by an accepted recall, because of a
crash or a refusal, lapses after a minute; then another job may claim the file.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from peewee import fn

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Recalls
from chalicelib.errors import LimitReached
from chalicelib.stores.owner_usage import OwnerUsageStore

CLAIM_LIFE = 60.0  # seconds


class RecallStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._usage = OwnerUsageStore(database)

    def claim(self, job_id: int, archive_ids: Collection[str], owner: str = NOBODY) -> list[str]:
        """Claim files for recall; return those that the caller must ask the archive for.

        As many as `owner`, whose cart needs them, may have recalled at a time: the others stay free.
        """
        claimed: list[str] = []
        for ids in chunks(sorted(archive_ids)):
            try:
                claimed += self._db.transaction(lambda ids=ids: self._claim(job_id, ids, owner))  # type: ignore[misc]
            except LimitReached:  # another job of the owner was faster
                break
        return claimed

    def release(self, archive_ids: Collection[str]) -> None:
        """The archive refused to recall these files: any job may claim them again."""
        self._delete_each(archive_ids, Recalls.requested_at.is_null())

    def mark_requested(self, archive_ids: Collection[str]) -> None:
        """The archive accepted the recall of these files."""
        with self._db.session() as db:
            for ids in chunks(sorted(archive_ids)):
                accepted = Recalls.update(requested_at=self._db.now)
                accepted.where(Recalls.archive_id.in_(self._db.listed(ids))).execute(db)

    def forget_online(self, archive_ids: Collection[str]) -> None:
        """These files are on disk. If they go back to tape, they are recalled again."""
        self._delete_each(archive_ids)

    def delete_abandoned(self, most: int) -> int:
        """Delete up to `most` recalls whose job is gone, within the caller's transaction; return how many it deleted.

        No other job may ever need such a file, so nothing else would delete the row.
        """
        deleted, job_id = 0, self._next_job(0)
        while job_id is not None and deleted < most:
            if not Jobs.select(Jobs.id).where(Jobs.id == job_id).exists(self._db.peewee):
                deleted += self._delete_of(job_id, most - deleted)
            job_id = self._next_job(job_id)
        return deleted

    def _next_job(self, after: int) -> int | None:
        """The next job that has recalls: one look into the index a job, however many recalls each has."""
        found = Recalls.select(fn.MIN(Recalls.job_id)).where(Recalls.job_id > after).scalar(self._db.peewee)
        return None if found is None else int(found)

    def _delete_of(self, job_id: int, most: int) -> int:
        query = Recalls.select(Recalls.archive_id).where(Recalls.job_id == job_id).limit(most)
        ids = [row[0] for row in query.tuples().execute(self._db.peewee)]
        these = Recalls.archive_id.in_(self._db.listed(ids))
        return self._delete(these, Recalls.job_id == job_id)

    def _delete_each(self, archive_ids: Collection[str], *guards: Any) -> None:
        for ids in chunks(sorted(archive_ids)):
            these = Recalls.archive_id.in_(self._db.listed(ids))
            self._db.transaction(lambda these=these: self._delete(these, *guards))  # type: ignore[misc]

    def _delete(self, *which: Any) -> int:
        """Delete recalls, within the caller's transaction, and give them back to their owners; how many they were."""
        counted = Recalls.select(Recalls.owner).distinct().where(*which, Recalls.owner != NOBODY)
        owners = sorted(row[0] for row in counted.tuples().execute(self._db.peewee))
        deleted = {
            owner: int(Recalls.delete().where(*which, Recalls.owner == owner).execute(self._db.peewee))
            for owner in (*owners, NOBODY)
        }
        for owner, count in sorted(deleted.items()):
            self._usage.give_back(owner, recalls=count)
        return sum(deleted.values())

    def _claim(self, job_id: int, ids: Sequence[str], owner: str) -> list[str]:
        now = self._db.clock()
        these = Recalls.archive_id.in_(self._db.listed(ids))
        lapsed = Recalls.requested_at.is_null() & (Recalls.claimed_until <= now)
        abandoned = Recalls.job_id.not_in(Jobs.select(Jobs.id))
        self._delete(these, lapsed | abandoned)
        taken = Recalls.select(Recalls.archive_id).where(these).tuples().execute(self._db.peewee)
        free = sorted(set(ids) - {row[0] for row in taken})[: self._room(owner)]
        if free:
            rows = [(archive_id, job_id, None, now + CLAIM_LIFE, owner) for archive_id in free]
            fields = [Recalls.archive_id, Recalls.job_id, Recalls.requested_at, Recalls.claimed_until, Recalls.owner]
            Recalls.insert_from(self._db.values(rows), fields).execute(self._db.peewee)
            self._usage.take(owner, recalls=len(free))
        return free

    def _room(self, owner: str) -> int | None:
        """How many more files the owner may have recalled; None for any number."""
        limit = self._usage.limits(owner).recalls if owner != NOBODY else 0
        return max(0, limit - self._usage.used(owner)["recalls"]) if limit else None
