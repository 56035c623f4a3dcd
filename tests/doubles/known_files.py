"""Double of workers.stores.known_files.KnownFileStore."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.db.states import FileState
from tests.doubles.database import MemoryDatabase
from workers.stores.known_files import KnownFile, KnownFiles


class MemoryKnownFileStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def find(self, archive_ids: Iterable[str]) -> KnownFiles:
        tables, known = self._db.tables, KnownFiles()
        for name in archive_ids:
            staged, recall = tables.staged_files.get(name), tables.recalls.get(name)
            if staged is not None and staged.file.state == FileState.STAGED:
                known.staged[name] = KnownFile(staged.file.size, staged.file.mtime_ns, staged.file.hashes)
            accepted = recall is not None and recall.requested_at is not None and recall.job_id in tables.jobs
            if recall is not None and recall.size is not None and recall.mtime_ns is not None and accepted:
                known.on_tape[name] = KnownFile(recall.size, recall.mtime_ns, owner=recall.owner)
        return known
