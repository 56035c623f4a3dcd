"""The staged files of the volume: the only writer of their rows.

A file's row exists, and its size is charged to the space account, exactly while a reserved window needs the file or
while it is on the volume. So every row change updates the account, in the same transaction and under its lock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs
from chalicelib.db.statement import ListStatement, RowsStatement
from chalicelib.db.states import FileState
from chalicelib.db.volume_models import StagedFiles
from chalicelib.stores.space_account import SpaceAccountStore
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.names import name_of
from workers.files.volume import allocated_bytes


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file that is on the volume, or that job `puller` pulls or evicts (0 where it no longer holds its lease).

    `size` is in bytes; `hashes`: name -> hex; `pins`: how many reserved windows need the file.
    """

    archive_id: str
    state: str
    puller: int
    size: int
    mtime_ns: int
    hashes: Mapping[str, str]
    pins: int


_FOUND = (StagedFiles.size, StagedFiles.mtime_ns, StagedFiles.hashes, StagedFiles.pins)
_ROW = [
    StagedFiles.archive_id,
    StagedFiles.name,
    StagedFiles.state,
    StagedFiles.puller,
    StagedFiles.size,
    StagedFiles.mtime_ns,
    StagedFiles.hashes,
    StagedFiles.pins,
    StagedFiles.used_at,
]
_CLAIMED = [StagedFiles.state, StagedFiles.puller, StagedFiles.size, StagedFiles.mtime_ns, StagedFiles.hashes]
_KEY, _STAGED = [StagedFiles.archive_id], [StagedFiles.state, StagedFiles.puller, StagedFiles.hashes]


def _find(database: Database, ids: Any) -> Any:
    alive = (Jobs.id == StagedFiles.puller) & (Jobs.lease_until > database.now)
    query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.state, Jobs.id, *_FOUND)
    return query.join(Jobs, JOIN.LEFT_OUTER, on=alive).where(StagedFiles.archive_id.in_(ids))


def _unpin(database: Database, ids: Any) -> Any:
    query = StagedFiles.update(pins=StagedFiles.pins - 1, used_at=database.now)
    return query.where(StagedFiles.archive_id.in_(ids), StagedFiles.pins > 0)


def _upsert(replaced: Sequence[Any], pins: int = 0) -> RowsStatement:
    pinned = {StagedFiles.pins: StagedFiles.pins + pins} if pins else None
    return RowsStatement(lambda db, rows: db.upsert(StagedFiles.insert_from(rows, _ROW), _KEY, replaced, pinned))


_FIND, _UNPIN, _RECORD = ListStatement(_find), ListStatement(_unpin), _upsert(_STAGED)
_CLAIM, _CLAIM_AND_PIN = _upsert(_CLAIMED), _upsert(_CLAIMED, pins=1)


class StagedFileStore:
    def __init__(self, database: Database, account: SpaceAccountStore) -> None:
        self._db = database
        self._account = account

    def find(self, archive_ids: Iterable[str]) -> dict[str, StagedFile]:
        """The rows of these files, by archive id; files without a row are left out."""
        found: dict[str, StagedFile] = {}
        with self._db.session():
            for ids in chunks(sorted(set(archive_ids))):
                for row in _FIND.run(self._db, ids).fetchall():
                    archive_id, state, puller, size, mtime_ns, hashes, pins = row
                    found[archive_id] = StagedFile(
                        archive_id, state, puller or 0, size, mtime_ns, json.loads(hashes), pins
                    )
        return found

    def claim(self, job_id: int, specs: Sequence[FileSpec], found: Mapping[str, StagedFile], pins: int) -> None:
        """Make `job_id` the puller of these files, charging what is not charged yet. Call it under the lock.

        `found`: their rows. `pins`: 1 where the window that needs them has not pinned them yet, else 0.
        """
        for batch in chunks(specs):
            rows = [_row(spec, FileState.PULLING, job_id, "{}", pins) for spec in batch]
            (_CLAIM_AND_PIN if pins else _CLAIM).run(self._db, rows)
        held = [found[spec.archive_id] for spec in specs if spec.archive_id in found]
        added = sum(allocated_bytes(spec.size) for spec in specs) - sum(allocated_bytes(old.size) for old in held)
        self._account.charge(added, -sum(allocated_bytes(old.size) for old in held if old.state == FileState.STAGED))

    def hand_over(self, puller: int, to: int, archive_ids: Sequence[str]) -> None:
        """Make job `to` the puller of those files that `puller` has not pulled yet. Call it under the lock."""
        query = StagedFiles.update(puller=to).where(StagedFiles.archive_id.in_(self._db.listed(archive_ids)))
        query.where(StagedFiles.state == FileState.PULLING, StagedFiles.puller == puller).execute(self._db.peewee)

    def pin(self, archive_ids: Collection[str]) -> None:
        """Protect these files from eviction for one more window."""
        for ids in chunks(sorted(archive_ids)):
            query = StagedFiles.update(pins=StagedFiles.pins + 1, used_at=self._db.now)
            query.where(StagedFiles.archive_id.in_(self._db.listed(ids))).execute(self._db.peewee)

    def unpin(self, archive_ids: Collection[str]) -> None:
        """Undo a window's pins. That counts as the files' last use."""
        for ids in chunks(sorted(archive_ids)):
            _UNPIN.run(self._db, ids)

    def record_staged(self, files: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        """Record files that lie on the volume now, with the hashes known of them."""
        self._account.charge(0, sum(allocated_bytes(spec.size) for spec, _ in files))
        for batch in chunks(files):
            rows = [_row(spec, FileState.STAGED, 0, json.dumps(hashes), 0) for spec, hashes in batch]
            _RECORD.run(self._db, rows)

    def add_hashes(self, files: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        """Record hashes computed of files staged earlier, beside those known of the same bytes."""
        found = self.find(spec.archive_id for spec, _ in files) if files else {}
        for spec, hashes in files:
            old = found[spec.archive_id].hashes if spec.archive_id in found else {}
            same_bytes = old.get(crc64nvme.NAME) == hashes[crc64nvme.NAME]
            query = StagedFiles.update(hashes=json.dumps({**old, **hashes} if same_bytes else dict(hashes)))
            same_file = (StagedFiles.size == spec.size) & (StagedFiles.mtime_ns == spec.mtime_ns)
            query.where(StagedFiles.archive_id == spec.archive_id, same_file).execute(self._db.peewee)

    def states_by_name(self, prefix: str) -> dict[str, str]:
        """Name on the volume -> state, of the files whose names begin with the two hex digits `prefix`."""
        query = StagedFiles.select(StagedFiles.name, StagedFiles.state)
        with self._db.session() as db:
            rows = query.where(StagedFiles.name.between(prefix, prefix + "g")).tuples().execute(db)
            return dict(rows)

    def delete_missing(self, states: Mapping[str, str]) -> None:
        """Delete rows of files that are missing from the disk and that no window needs. Call it under the lock.

        `states`: as `states_by_name` returned them; a row whose state has changed since stays.
        """
        for state in (FileState.PULLING, FileState.STAGED):
            names = [name for name, was in states.items() if was == state]
            for batch in chunks(names):
                unneeded = (StagedFiles.pins == 0) & (StagedFiles.state == state)
                self._delete(StagedFiles.name.in_(self._db.listed(batch)) & unneeded)

    def _delete(self, where: Any) -> None:
        query = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size, StagedFiles.state).where(where)
        rows = list(query.tuples().execute(self._db.peewee))
        if rows:
            ids = [row[0] for row in rows]
            StagedFiles.delete().where(StagedFiles.archive_id.in_(self._db.listed(ids))).execute(self._db.peewee)
            staged = sum(allocated_bytes(size) for _, size, state in rows if state == FileState.STAGED)
            self._account.charge(-sum(allocated_bytes(size) for _, size, _ in rows), -staged)


def _row(spec: FileSpec, state: FileState, puller: int, hashes: str, pins: int) -> tuple[Any, ...]:
    """In the order of _ROW. `used_at` starts at 0; unpinning sets it."""
    name = name_of(spec.archive_id)
    return spec.archive_id, name, state.value, puller, spec.size, spec.mtime_ns, hashes, pins, 0.0
