"""Which staged files leave the volume, in two steps: marked under the account's lock, and forgotten once unlinked.

A marked file is no longer staged but still charged, so its bytes are promised to nobody until they are free. The job
that marked it is its `puller`, so that all others leave the file alone while that job holds its lease.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import peewee as pw
from peewee import fn

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs
from chalicelib.db.statement import Statement, slot
from chalicelib.db.states import FileState
from chalicelib.db.volume_models import StagedFiles
from chalicelib.stores.space_account import BLOCK, SpaceAccountStore
from workers.files.volume import allocated_bytes

_UNNEEDED = StagedFiles.pins == 0
_IDLE = _UNNEEDED & (StagedFiles.state == FileState.STAGED)
_EVICTING = StagedFiles.state == FileState.EVICTING
_ALLOCATED = (StagedFiles.size + (BLOCK - 1)).bin_and(-BLOCK)  # as allocated_bytes; dialects divide differently


_MARKED = Statement(
    lambda _: (
        StagedFiles.select(StagedFiles.archive_id)
        .where(_EVICTING, StagedFiles.puller == slot("puller"))
        .limit(slot("limit"))
    )
)


class EvictedFileStore:
    def __init__(self, database: Database, account: SpaceAccountStore) -> None:
        self._db = database
        self._account = account

    def least_recently_used(self, unused_for: float, limit: int) -> list[tuple[str, int]]:
        """(archive id, size) of up to `limit` staged files that no window needs, unused for `unused_for` seconds."""
        query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size)
        query = query.where(_IDLE, StagedFiles.used_at <= self._db.now - unused_for)
        return list(query.order_by(StagedFiles.used_at).limit(limit).tuples().execute(self._db.peewee))

    def chosen(self, limit: int) -> dict[str, int]:
        """Archive id -> size of up to `limit` staged files that an operator has chosen and that no window needs."""
        query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size).where(_IDLE, StagedFiles.used_at < 0)
        return dict(query.order_by(StagedFiles.used_at).limit(limit).tuples().execute(self._db.peewee))

    def first_used_at(self) -> float | None:
        """When the staged file was used that no window needs and that was used longest ago; None if there is none."""
        with self._db.session() as db:
            used_at: float | None = StagedFiles.select(fn.MIN(StagedFiles.used_at)).where(_IDLE).scalar(db)
        return used_at

    def released_bytes(self, since: float, within: float) -> int:
        """Bytes of staged files that no window needs, but that one used since then and in the last `within` seconds."""
        recent = (StagedFiles.used_at > since) & (StagedFiles.used_at > self._db.now - within)
        with self._db.session() as db:
            return int(StagedFiles.select(fn.SUM(_ALLOCATED)).where(_IDLE, recent).scalar(db) or 0)

    def anything_evictable(self) -> bool:
        """Whether any staged file is needed by no window, however recently it was used, or is being evicted."""
        evictable = _UNNEEDED & StagedFiles.state.in_((FileState.STAGED, FileState.EVICTING))
        query = StagedFiles.select(StagedFiles.archive_id).where(evictable)
        return query.limit(1).tuples().first(self._db.peewee) is not None

    def mark(self, job_id: int, sizes: Mapping[str, int]) -> None:
        """Mark these files, found staged and unneeded under the same lock. `sizes`: by archive id."""
        for ids in chunks(sorted(sizes)):
            self._mark(job_id, ids)
        self._account.charge(0, -sum(map(allocated_bytes, sizes.values())))

    def mark_unstaged(self, job_id: int, archive_ids: Collection[str]) -> None:
        """As `mark`, those that are not staged yet: a pull may have left them on the disk unrecorded."""
        for ids in chunks(sorted(archive_ids)):
            which = StagedFiles.archive_id.in_(self._db.listed(ids)) & _UNNEEDED
            query = StagedFiles.select(StagedFiles.archive_id).where(which, StagedFiles.state == FileState.PULLING)
            self._mark(job_id, [row[0] for row in query.tuples().execute(self._db.peewee)])

    def marked(self, job_id: int, limit: int) -> list[str]:
        """Up to `limit` files that the job has marked and not forgotten yet, by any of its claims."""
        return [row[0] for row in _MARKED.run(self._db, puller=job_id, limit=limit).fetchall()]

    def marked_bytes(self) -> int:
        """Bytes of the marked files that no window needs meanwhile; within the caller's transaction."""
        query = StagedFiles.select(fn.SUM(_ALLOCATED)).where(_EVICTING, _UNNEEDED)
        return int(query.scalar(self._db.peewee) or 0)

    def forget(self, job_id: int, archive_ids: Collection[str]) -> None:
        """Delete the rows of these marked files, which are unlinked, and what they are charged. Call it under the lock.

        A file that a window needs meanwhile stays charged, to be pulled by whichever window comes first.
        """
        for ids in chunks(sorted(archive_ids)):
            ours = StagedFiles.archive_id.in_(self._db.listed(ids)) & _EVICTING & (StagedFiles.puller == job_id)
            query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size).where(ours, _UNNEEDED)
            rows = list(query.tuples().execute(self._db.peewee))
            gone = self._db.listed([row[0] for row in rows])
            if rows:
                StagedFiles.delete().where(StagedFiles.archive_id.in_(gone)).execute(self._db.peewee)
                self._account.charge(-sum(allocated_bytes(size) for _, size in rows), 0)
            if len(rows) < len(ids):
                StagedFiles.update(state=FileState.PULLING, puller=0).where(ours).execute(self._db.peewee)

    def adopt(self, job_id: int) -> int:
        """Make the job continue what other jobs marked that no longer hold their lease; return how many files."""
        alive = Jobs.select(Jobs.id).where(Jobs.id == StagedFiles.puller, Jobs.lease_until > self._db.now)
        query = StagedFiles.update(puller=job_id).where(_EVICTING, ~pw.fn.EXISTS(alive))
        return int(query.execute(self._db.peewee))

    def _mark(self, job_id: int, archive_ids: Collection[str]) -> None:
        if archive_ids:
            query = StagedFiles.update(state=FileState.EVICTING, puller=job_id)
            marked: Any = StagedFiles.archive_id.in_(self._db.listed(list(archive_ids)))
            query.where(marked).execute(self._db.peewee)
