"""Marks staged files that an operator wants evicted: `used_at` is MARK, the lowest, until a window uses the file.

So a mark needs no row of its own, is gone as soon as the file is needed, and a marked file is the first to be evicted
when space is short, even if no worker ever runs the job that evicts it. Only unneeded files are marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import fn

from chalicelib.db.database import CHUNK, Database, chunks
from chalicelib.db.states import FileState
from chalicelib.db.volume_models import StagedFiles

MARK = -1.0

_UNNEEDED = (StagedFiles.pins == 0) & (StagedFiles.state == FileState.STAGED)


class EvictionMarks:
    def __init__(self, database: Database) -> None:
        self._db = database

    def mark(self, archive_ids: Iterable[str]) -> int:
        """Mark those of these files that no window needs; return how many."""
        marked = 0
        with self._db.session() as db:
            for ids in chunks(sorted(set(archive_ids))):
                query = StagedFiles.update(used_at=MARK).where(StagedFiles.archive_id.in_(self._db.listed(ids)))
                marked += int(query.where(_UNNEEDED).execute(db))
        return marked

    def least_used(self) -> list[tuple[str, int]]:
        """Archive id and bytes of the next unmarked files that no window needs, those used longest ago first."""
        query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size).where(_UNNEEDED, StagedFiles.used_at >= 0)
        with self._db.session() as db:
            return list(query.order_by(StagedFiles.used_at).limit(CHUNK).tuples().execute(db))

    def left(self) -> tuple[int, int]:
        """Files that are marked, and their bytes."""
        columns: tuple[Any, ...] = (fn.COUNT(1), fn.COALESCE(fn.SUM(StagedFiles.size), 0))
        with self._db.session() as db:
            files, size = StagedFiles.select(*columns).where(_UNNEEDED, StagedFiles.used_at < 0).tuples().first(db)
        return int(files), int(size)
