"""Double of workers.stores.recalls.RecallStore."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tests.doubles.database import MemoryDatabase, RecallRow
from workers.stores.recalls import CLAIM_LIFE


class MemoryRecallStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def claim(self, job_id: int, archive_ids: Collection[str], owner: str = "") -> list[str]:
        free = [archive_id for archive_id in sorted(set(archive_ids)) if self._is_free(archive_id)]
        for archive_id in free:
            self._db.tables.recalls[archive_id] = RecallRow(job_id, self._db.now + CLAIM_LIFE)
        return free

    def release(self, archive_ids: Collection[str]) -> None:
        rows = self._db.tables.recalls
        self._delete([name for name in archive_ids if name in rows and rows[name].requested_at is None])

    def mark_requested(self, archive_ids: Collection[str]) -> None:
        rows = self._db.tables.recalls
        for archive_id in set(archive_ids) & rows.keys():
            rows[archive_id] = replace(rows[archive_id], requested_at=self._db.now)

    def forget_online(self, archive_ids: Collection[str]) -> None:
        self._delete(archive_ids)

    def delete_abandoned(self, most: int) -> int:
        self._db.require_transaction()
        rows, jobs = self._db.tables.recalls, self._db.tables.jobs
        abandoned = [archive_id for archive_id, row in rows.items() if row.job_id not in jobs][:most]
        self._delete(abandoned)
        return len(abandoned)

    def _is_free(self, archive_id: str) -> bool:
        row = self._db.tables.recalls.get(archive_id)
        if row is None or row.job_id not in self._db.tables.jobs:
            return True
        return row.requested_at is None and row.claimed_until <= self._db.now

    def _delete(self, archive_ids: Collection[str]) -> None:
        for archive_id in archive_ids:
            self._db.tables.recalls.pop(archive_id, None)
