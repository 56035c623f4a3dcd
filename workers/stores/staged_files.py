"""The catalogue of staged files and the volume's space account: the only SQL on both.

Everything that changes the account first takes the lock on its one row, so reservations are made one after the other.
A file's row exists, and its size is charged, exactly while a reserved window needs it or while it lies on the volume.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, fn

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs, StagedFiles, Volume, Windows
from workers.files import crc64nvme
from workers.files.volume import FOLDERS, charge, name_of
from workers.staging.file_actions import PULLING, STAGED, FileSpec, StagedFile

EVICTED = 200  # files in one go
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


@dataclass(frozen=True, slots=True)
class Account:
    """Bytes charged, bytes that lie on the volume, and the oldest cart that waits for space."""

    used: int
    staged: int
    waiting_cart: int | None


class StagedFileStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def lock(self) -> Account:
        """Take the account's lock for the rest of the caller's transaction."""
        oldest = Windows.select(fn.MIN(Windows.cart_id)).where(Windows.waits_since.is_null(False))
        query = Volume.select(Volume.used, Volume.staged, oldest).where(Volume.id == 1).tuples()
        if self._db.is_mysql:
            query = query.for_update()
        used, staged, waiting = query.first(self._db.peewee)
        return Account(used, staged, waiting)

    def known(self, archive_ids: Iterable[str]) -> dict[str, StagedFile]:
        """The rows there are for these files."""
        found: dict[str, StagedFile] = {}
        with self._db.session() as db:
            now = self._db.now
            for ids in chunks(sorted(set(archive_ids))):
                alive = (Jobs.id == StagedFiles.puller) & (Jobs.lease_until > now)
                query = (
                    StagedFiles.select(
                        StagedFiles.archive_id,
                        StagedFiles.state,
                        Jobs.id,
                        StagedFiles.size,
                        StagedFiles.mtime_ns,
                        StagedFiles.hashes,
                        StagedFiles.pins,
                    )
                    .join(Jobs, JOIN.LEFT_OUTER, on=alive)
                    .where(StagedFiles.archive_id.in_(self._db.listed(ids)))
                )
                for row in query.tuples().execute(db):
                    archive_id, state, puller, size, mtime_ns, hashes, pins = row
                    found[archive_id] = StagedFile(
                        archive_id, state, puller or 0, size, mtime_ns, json.loads(hashes), pins
                    )
        return found

    def claim(self, job_id: int, wanted: Sequence[FileSpec], known: Mapping[str, StagedFile], pins: int) -> None:
        """Make `job_id` the puller of these files, charging what is not charged yet; under the lock.

        `pins`: 1 where the window that wants them is not counted yet, else 0.
        """
        for some in chunks(wanted):
            rows = [_row(want, PULLING, job_id, "{}", pins) for want in some]
            query = StagedFiles.insert_from(self._db.values(rows), _ROW)
            replace = [
                StagedFiles.state,
                StagedFiles.puller,
                StagedFiles.size,
                StagedFiles.mtime_ns,
                StagedFiles.hashes,
            ]
            more = {StagedFiles.pins: StagedFiles.pins + pins}
            self._db.upsert(query, [StagedFiles.archive_id], replace, more).execute(self._db.peewee)
        held = [known[want.archive_id] for want in wanted if want.archive_id in known]
        added = sum(charge(want.size) for want in wanted) - sum(charge(old.size) for old in held)
        self._charge(added, -sum(charge(old.size) for old in held if old.state == STAGED))

    def hand_over(self, puller: int, to: int, archive_ids: Sequence[str]) -> None:
        """Make job `to` the puller of those of these files that `puller` has not pulled yet; under the lock."""
        query = StagedFiles.update(puller=to).where(StagedFiles.archive_id.in_(self._db.listed(archive_ids)))
        query.where(StagedFiles.state == PULLING, StagedFiles.puller == puller).execute(self._db.peewee)

    def pin(self, archive_ids: Collection[str]) -> None:
        """Keep these files from eviction for one more window."""
        for ids in chunks(sorted(archive_ids)):
            query = StagedFiles.update(pins=StagedFiles.pins + 1, used_at=self._db.now)
            query.where(StagedFiles.archive_id.in_(self._db.listed(ids))).execute(self._db.peewee)

    def unpin(self, archive_ids: Collection[str]) -> None:
        """Undo a window's pins: that is when a file was last used."""
        for ids in chunks(sorted(archive_ids)):
            query = StagedFiles.update(pins=StagedFiles.pins - 1, used_at=self._db.now)
            query.where(StagedFiles.archive_id.in_(self._db.listed(ids)), StagedFiles.pins > 0).execute(self._db.peewee)

    def forget_unstaged(self, archive_ids: Collection[str], remove: Callable[[str], None]) -> None:
        """Drop rows, charges and what lies on disk of files that no window needs and that are not staged.

        Under the lock.
        """
        for ids in chunks(sorted(archive_ids)):
            unneeded = (StagedFiles.pins == 0) & (StagedFiles.state == PULLING)
            for archive_id in self._forget(StagedFiles.archive_id.in_(self._db.listed(ids)) & unneeded):
                remove(archive_id)

    def staged(self, rows: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        """Record files that lie on the volume now, with the hashes known of them."""
        self._charge(0, sum(charge(want.size) for want, _ in rows))
        for some in chunks(rows):
            data = [_row(want, STAGED, 0, json.dumps(hashes), 0) for want, hashes in some]
            query = StagedFiles.insert_from(self._db.values(data), _ROW)
            replace = [StagedFiles.state, StagedFiles.puller, StagedFiles.hashes]
            self._db.upsert(query, [StagedFiles.archive_id], replace).execute(self._db.peewee)

    def add_hashes(self, rows: Sequence[tuple[FileSpec, Mapping[str, str]]]) -> None:
        """Record hashes that were computed of files staged before, beside those known of the same bytes."""
        known = self.known(want.archive_id for want, _ in rows) if rows else {}
        for want, hashes in rows:
            old = known[want.archive_id].hashes if want.archive_id in known else {}
            same_bytes = old.get(crc64nvme.NAME) == hashes[crc64nvme.NAME]
            query = StagedFiles.update(hashes=json.dumps({**old, **hashes} if same_bytes else dict(hashes)))
            same = (StagedFiles.size == want.size) & (StagedFiles.mtime_ns == want.mtime_ns)
            query.where(StagedFiles.archive_id == want.archive_id, same).execute(self._db.peewee)

    def evict(self, needed: int, unused_for: float, remove: Callable[[str], None], kept: Collection[str]) -> int:
        """Free at least `needed` bytes of the least recently used files that no window needs; the bytes freed.

        Under the lock, which is held shortly: one call goes through EVICTED files. None of `kept` is taken; `remove`
        deletes one from disk.
        """
        unused = (StagedFiles.pins == 0) & (StagedFiles.used_at <= self._db.now - unused_for)
        query = (
            StagedFiles.select(StagedFiles.archive_id, StagedFiles.size)
            .where(StagedFiles.state == STAGED, unused)
            .order_by(StagedFiles.used_at)
            .limit(EVICTED + len(kept))
        )
        freed = 0
        ids: list[str] = []
        for archive_id, size in query.tuples().execute(self._db.peewee):
            if freed >= needed or len(ids) == EVICTED:
                break
            if archive_id in kept:
                continue
            remove(archive_id)
            ids.append(archive_id)
            freed += charge(size)
        if ids:
            StagedFiles.delete().where(StagedFiles.archive_id.in_(self._db.listed(ids))).execute(self._db.peewee)
            self._charge(-freed, -freed)
        return freed

    def anything_evictable(self) -> bool:
        """Whether any staged file is needed by no window, however recently it was used."""
        query = StagedFiles.select(StagedFiles.archive_id).where(StagedFiles.pins == 0, StagedFiles.state == STAGED)
        return query.limit(1).tuples().first(self._db.peewee) is not None

    def next_folders(self, count: int) -> int:
        """The first of the `count` directories whose turn it is to be reconciled."""
        with self._db.session() as db:
            first: int = Volume.select(Volume.reconciled_to).where(Volume.id == 1).tuples().first(db)[0]
            Volume.update(reconciled_to=(first + count) % FOLDERS).where(Volume.id == 1).execute(db)
        return first

    def names(self, prefix: str) -> dict[str, str]:
        """Name on the volume -> state of the files whose names begin with these two letters."""
        query = StagedFiles.select(StagedFiles.name, StagedFiles.state)
        with self._db.session() as db:
            rows = query.where(StagedFiles.name.between(prefix, prefix + "g")).tuples().execute(db)
            return dict(rows)

    def drop_missing(self, exists: Callable[[str], bool], rows: Mapping[str, str]) -> None:
        """Forget staged files that are not on disk and that no window needs, and pulls that nobody is at any more.

        Within the caller's transaction. `rows`: as `names` had them; `exists` looks at the disk.
        """
        self.lock()
        missing = [name for name, state in rows.items() if state == STAGED and not exists(name)]
        abandoned = [name for name, state in rows.items() if state == PULLING]
        for state, names in ((STAGED, missing), (PULLING, abandoned)):
            for some in chunks(names):
                self._forget(
                    (StagedFiles.name.in_(self._db.listed(some)))
                    & (StagedFiles.pins == 0)
                    & (StagedFiles.state == state)
                )

    def _forget(self, where: Any) -> list[str]:
        rows = StagedFiles.select(StagedFiles.archive_id, StagedFiles.size, StagedFiles.state).where(where)
        lost = list(rows.tuples().execute(self._db.peewee))
        if lost:
            StagedFiles.delete().where(StagedFiles.archive_id.in_(self._db.listed([row[0] for row in lost]))).execute(
                self._db.peewee
            )
            staged = sum(charge(size) for _, size, state in lost if state == STAGED)
            self._charge(-sum(charge(size) for _, size, _ in lost), -staged)
        return [row[0] for row in lost]

    def _charge(self, used: int, staged: int) -> None:
        if used or staged:
            query = Volume.update(used=Volume.used + used, staged=Volume.staged + staged)
            query.where(Volume.id == 1).execute(self._db.peewee)


def _row(want: FileSpec, state: str, puller: int, hashes: str, pins: int) -> tuple[Any, ...]:
    """In the order of _ROW. A file is pinned until it was used, which is noted when it is unpinned."""
    return want.archive_id, name_of(want.archive_id), state, puller, want.size, want.mtime_ns, hashes, pins, 0.0
