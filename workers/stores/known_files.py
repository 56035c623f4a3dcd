"""What is known of files without asking the archive: those on the volume, and those recalled from tape. Only reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import peewee

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs
from chalicelib.db.statement import ListStatement
from chalicelib.db.states import FileState
from chalicelib.db.volume_models import Recalls, StagedFiles


@dataclass(frozen=True, slots=True)
class KnownFile:
    """`size` is in bytes. `hashes`: of a staged file, name -> hex; `owner`: for whose cart it was recalled."""

    size: int
    mtime_ns: int
    hashes: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""


@dataclass(slots=True)
class KnownFiles:
    """By archive id. A staged file may be on tape as well."""

    staged: dict[str, KnownFile] = field(default_factory=dict)
    on_tape: dict[str, KnownFile] = field(default_factory=dict)


class KnownFileStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, archive_ids: Iterable[str]) -> KnownFiles:
        """What is known of these files: one statement for a thousand."""
        known = KnownFiles()
        for ids in chunks(sorted(set(archive_ids))):
            for archive_id, size, mtime_ns, hashes, owner in _KNOWN.run(self._db, ids).fetchall():
                if hashes:
                    known.staged[archive_id] = KnownFile(size, mtime_ns, json.loads(hashes))
                else:
                    known.on_tape[archive_id] = KnownFile(size, mtime_ns, owner=owner)
        return known


_NONE = peewee.SQL("''")
_STAGED = (StagedFiles.archive_id, StagedFiles.size, StagedFiles.mtime_ns, StagedFiles.hashes, _NONE)
_RECALLED = (Recalls.archive_id, Recalls.size, Recalls.mtime_ns, _NONE, Recalls.owner)


def _known(_: Database, listed: Any) -> Any:
    is_staged = StagedFiles.state == FileState.STAGED
    staged = StagedFiles.select(*_STAGED).where(StagedFiles.archive_id.in_(listed), is_staged)
    accepted = Recalls.size.is_null(False) & Recalls.requested_at.is_null(False)
    recalled = Recalls.select(*_RECALLED).join(Jobs, on=Jobs.id == Recalls.job_id)
    return staged.union_all(recalled.where(Recalls.archive_id.in_(listed), accepted))


_KNOWN = ListStatement(_known)
