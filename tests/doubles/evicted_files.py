"""Double of workers.stores.evicted_files.EvictedFileStore."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from chalicelib.db.states import FileState
from tests.doubles.database import MemoryDatabase, StagedFileRow
from tests.doubles.space_account import MemorySpaceAccountStore
from workers.files.volume import allocated_bytes
from workers.stores.staged_files import StagedFile


class MemoryEvictedFileStore:
    def __init__(self, database: MemoryDatabase, account: MemorySpaceAccountStore) -> None:
        self._db = database
        self._account = account

    def least_recently_used(self, unused_for: float, limit: int) -> list[tuple[str, int]]:
        before = self._db.now - unused_for
        oldest = [row.file for row in self._idle() if row.used_at <= before][:limit]
        return [(file.archive_id, file.size) for file in oldest]

    def chosen(self, limit: int) -> dict[str, int]:
        return {row.file.archive_id: row.file.size for row in [row for row in self._idle() if row.used_at < 0][:limit]}

    def first_used_at(self) -> float | None:
        return min((row.used_at for row in self._idle()), default=None)

    def released_bytes(self, since: float, within: float) -> int:
        recent = [row for row in self._idle() if row.used_at > since and row.used_at > self._db.now - within]
        return sum(allocated_bytes(row.file.size) for row in recent)

    def anything_evictable(self) -> bool:
        states = (FileState.STAGED, FileState.EVICTING)
        return any(row.file.state in states and not row.file.pins for row in self._rows.values())

    def mark(self, job_id: int, sizes: Mapping[str, int]) -> None:
        self._db.require_transaction()
        self._account.charge(0, -sum(map(allocated_bytes, sizes.values())))
        for name in sizes:
            self._update(self._rows[name].file, state=FileState.EVICTING, puller=job_id)

    def mark_unstaged(self, job_id: int, archive_ids: Collection[str]) -> None:
        self._db.require_transaction()
        for file in [row.file for name, row in self._rows.items() if name in archive_ids]:
            if file.state == FileState.PULLING and not file.pins:
                self._update(file, state=FileState.EVICTING, puller=job_id)

    def marked(self, job_id: int, limit: int) -> list[str]:
        files = [row.file for row in self._rows.values()]
        ours = [file for file in files if (file.state, file.puller) == (FileState.EVICTING, job_id)]
        return [file.archive_id for file in ours[:limit]]

    def marked_bytes(self) -> int:
        files = [row.file for row in self._rows.values()]
        return sum(allocated_bytes(file.size) for file in files if file.state == FileState.EVICTING and not file.pins)

    def forget(self, job_id: int, archive_ids: Collection[str]) -> None:
        self._db.require_transaction()
        for name in set(self.marked(job_id, len(self._rows))) & set(archive_ids):
            file = self._rows[name].file
            if file.pins:
                self._update(file, state=FileState.PULLING, puller=0)
            else:
                del self._rows[name]
                self._account.charge(-allocated_bytes(file.size), 0)

    def adopt(self, job_id: int) -> int:
        jobs, now = self._db.tables.jobs, self._db.now
        evicting = [row.file for row in self._rows.values() if row.file.state == FileState.EVICTING]
        left = [file for file in evicting if file.puller not in jobs or jobs[file.puller].lease_until <= now]
        for file in left:
            self._update(file, puller=job_id)
        return len(left)

    @property
    def _rows(self) -> dict[str, StagedFileRow]:
        return self._db.tables.staged_files

    def _idle(self) -> list[StagedFileRow]:
        """Staged files that no window needs, the one used longest ago first."""
        idle = [row for row in self._rows.values() if row.file.state == FileState.STAGED and not row.file.pins]
        return sorted(idle, key=lambda row: row.used_at)

    def _update(self, file: StagedFile, **changes: Any) -> None:
        row = self._rows[file.archive_id]
        self._rows[file.archive_id] = replace(row, file=replace(file, **changes))
