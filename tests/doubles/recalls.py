"""Double of workers.stores.recalls.RecallStore."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tests.doubles.database import MemoryDatabase, RecallRow
from workers.stores.recalls import ANSWERED, CLAIM_LIFE, FIRST_LOOK, Found


class MemoryRecallStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def claim(
        self, job_id: int, archive_ids: Collection[str], owner: str = "", found: Found | None = None
    ) -> list[str]:
        rows, now = self._db.tables.recalls, self._db.now
        self._delete([name for name in archive_ids if name in rows and rows[name].job_id not in self._db.tables.jobs])
        free = [archive_id for archive_id in sorted(set(archive_ids)) if self._is_free(archive_id)]
        for archive_id in free:
            size, mtime_ns = (found or {}).get(archive_id, (None, None))
            new = RecallRow(0, 0, next_look_at=now + FIRST_LOOK, claimed_at=now, size=size, mtime_ns=mtime_ns)
            row = rows.get(archive_id, new)
            rows[archive_id] = replace(row, job_id=job_id, claimed_until=now + CLAIM_LIFE, owner=owner)
        return free

    def release(self, archive_ids: Collection[str]) -> None:
        rows = self._db.tables.recalls
        for name in archive_ids:
            if name in rows and rows[name].requested_at is None and rows[name].job_id != ANSWERED:
                rows[name] = replace(rows[name], owner="", claimed_until=0)

    def mark_requested(self, archive_ids: Collection[str]) -> None:
        rows = self._db.tables.recalls
        for archive_id in set(archive_ids) & rows.keys():
            if rows[archive_id].job_id != ANSWERED:
                rows[archive_id] = replace(rows[archive_id], requested_at=self._db.now)

    def delete_abandoned(self, most: int) -> int:
        self._db.require_transaction()
        rows, jobs, now = self._db.tables.recalls, self._db.tables.jobs, self._db.now
        old = [name for name, row in rows.items() if row.job_id == ANSWERED and row.claimed_until <= now]
        gone = [name for name, row in rows.items() if row.job_id not in jobs and row.job_id != ANSWERED]
        abandoned = [*old, *gone][:most]
        self._delete(abandoned)
        return len(abandoned)

    def _is_free(self, archive_id: str) -> bool:
        row = self._db.tables.recalls.get(archive_id)
        return row is None or (row.requested_at is None and row.claimed_until <= self._db.now)

    def _delete(self, archive_ids: Collection[str]) -> None:
        for archive_id in archive_ids:
            self._db.tables.recalls.pop(archive_id, None)
