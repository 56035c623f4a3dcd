"""Double of workers.stores.staged_files.StagedFileStore."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.db.states import FileState
from tests.doubles.database import MemoryDatabase, StagedFileRow
from tests.doubles.space_account import MemorySpaceAccountStore
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.names import name_of
from workers.files.volume import allocated_bytes
from workers.stores.staged_files import StagedFile


class MemoryStagedFileStore:
    def __init__(self, database: MemoryDatabase, account: MemorySpaceAccountStore) -> None:
        self._db = database
        self._account = account

    def find(self, archive_ids: Iterable[str]) -> dict[str, StagedFile]:
        rows = self._rows
        return {name: self._with_living_puller(rows[name].file) for name in set(archive_ids) if name in rows}

    def claim(self, job_id: int, specs: Sequence[FileSpec], found: Mapping[str, StagedFile], pins: int) -> None:
        for spec in specs:
            new = StagedFile(spec.archive_id, FileState.PULLING, job_id, spec.size, spec.mtime_ns, {}, pins)
            row = self._rows.get(spec.archive_id, StagedFileRow(replace(new, pins=0)))
            self._rows[spec.archive_id] = replace(row, file=replace(new, pins=row.file.pins + pins))
        held = [found[spec.archive_id] for spec in specs if spec.archive_id in found]
        added = sum(allocated_bytes(spec.size) for spec in specs) - sum(allocated_bytes(old.size) for old in held)
        self._account.charge(added, -sum(allocated_bytes(old.size) for old in held if old.state == FileState.STAGED))

    def hand_over(self, puller: int, to: int, archive_ids: Sequence[str]) -> None:
        self._update(archive_ids, lambda file: (file.state, file.puller) == (FileState.PULLING, puller), puller=to)

    def pin(self, archive_ids: Collection[str]) -> None:
        self._add_pins(archive_ids, 1)

    def unpin(self, archive_ids: Collection[str]) -> None:
        self._add_pins([name for name in archive_ids if name in self._rows and self._rows[name].file.pins > 0], -1)

    def record_staged(self, files: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        self._account.charge(0, sum(allocated_bytes(spec.size) for spec, _ in files))
        for spec, hashes in files:
            new = StagedFile(spec.archive_id, FileState.STAGED, 0, spec.size, spec.mtime_ns, dict(hashes), 0)
            self._rows.setdefault(spec.archive_id, StagedFileRow(new))
            self._update([spec.archive_id], state=FileState.STAGED, puller=0, hashes=dict(hashes))

    def add_hashes(self, files: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        for spec, hashes in files:
            row = self._rows.get(spec.archive_id)
            if row and (row.file.size, row.file.mtime_ns) == (spec.size, spec.mtime_ns):
                old = row.file.hashes
                same_bytes = old.get(crc64nvme.NAME) == hashes[crc64nvme.NAME]
                self._update([spec.archive_id], hashes={**old, **hashes} if same_bytes else dict(hashes))

    def states_by_name(self, prefix: str) -> dict[str, str]:
        named = {name_of(archive_id): row.file.state for archive_id, row in self._rows.items()}
        return {name: state for name, state in named.items() if name.startswith(prefix)}

    def delete_missing(self, states: Mapping[str, str]) -> None:
        for archive_id in list(self._rows):
            state = states.get(name_of(archive_id))
            self._delete([archive_id], (state,) if state and state != FileState.EVICTING else ())

    @property
    def _rows(self) -> dict[str, StagedFileRow]:
        return self._db.tables.staged_files

    def _with_living_puller(self, file: StagedFile) -> StagedFile:
        job = self._db.tables.jobs.get(file.puller)
        return file if job and job.lease_until > self._db.now else replace(file, puller=0)

    def _add_pins(self, archive_ids: Collection[str], count: int) -> None:
        for name in set(archive_ids) & self._rows.keys():
            file = self._rows[name].file
            self._rows[name] = StagedFileRow(replace(file, pins=file.pins + count), self._db.now)

    def _update(
        self, archive_ids: Iterable[str], where: Callable[[StagedFile], bool] = lambda file: True, **changes: Any
    ) -> None:
        for name in archive_ids:
            row = self._rows.get(name)
            if row and where(row.file):
                self._rows[name] = replace(row, file=replace(row.file, **changes))

    def _delete(self, archive_ids: Collection[str], states: Sequence[str]) -> None:
        self._db.require_transaction()
        files = [self._rows[name].file for name in archive_ids if name in self._rows]
        files = [file for file in files if not file.pins and file.state in states]
        for file in files:
            del self._rows[file.archive_id]
        staged = sum(allocated_bytes(file.size) for file in files if file.state == FileState.STAGED)
        self._account.charge(-sum(allocated_bytes(file.size) for file in files), -staged)
