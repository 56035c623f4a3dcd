"""The seal store: the only writer of audit_seals, and of the seals of audit records; it deletes old ones of both.

A seal's id is that of the seal before it plus one. So of two sweeps that continue the same seal, the key refuses one:
the chain has no forks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import peewee

from chalicelib.db.access_models import AuditRecords, AuditSeals
from chalicelib.db.database import Database, chunks
from chalicelib.stores.audit_chain import NO_SEAL, AuditRow, Seal, SealDigest

PAGE = 100  # records read at a time: one may have a megabyte of ids

SEAL_COLUMNS = [getattr(AuditSeals, field.name) for field in dataclasses.fields(Seal)]
ROW_COLUMNS = [getattr(AuditRecords, field.name) for field in dataclasses.fields(AuditRow)]


class _Outrun(Exception):
    """Another sweep has sealed some of these records."""


class SealStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def unsealed(self, age: float, most: int) -> list[int]:
        """Ids of up to `most` records without a seal, `age` seconds old or older; the lowest first."""
        unsealed = AuditRecords.seal.is_null() & (AuditRecords.id > 0)  # a range: MariaDB looks up how many there are
        query = AuditRecords.select(AuditRecords.id).where(unsealed, AuditRecords.at <= self._db.now - age)
        query = query.order_by(AuditRecords.id).limit(most)
        with self._db.session() as db:
            return [row[0] for row in query.tuples().execute(db)]

    def seal(self, record_ids: Sequence[int]) -> Seal | None:
        """Seal these unsealed records; None if another sweep was faster, and then nothing is changed."""
        newest = self._newest()
        digest = SealDigest(newest.hash if newest else NO_SEAL)
        for row in self._rows(record_ids):
            digest.add(row)
        seal_id, now = (newest.id if newest else 0) + 1, self._db.clock()
        seal = Seal(
            seal_id,
            digest.first_id,
            digest.last_id,
            digest.records,
            newest.hash if newest else NO_SEAL,
            digest.hexdigest(seal_id, now),
            now,
        )
        try:
            self._db.transaction(lambda: self._add(seal, record_ids))
        except (peewee.IntegrityError, _Outrun):
            return None
        return seal

    def old(self, age: float, most: int) -> list[int]:
        """Up to `most` seals whose records are all older than `age` seconds, the oldest first; never the newest seal.

        The chain continues from the newest. A record is older than its seal.
        """
        newest = self._newest()
        if newest is None:
            return []
        old = (AuditSeals.id < newest.id, AuditSeals.sealed_at <= self._db.now - age)
        query = AuditSeals.select(AuditSeals.id).where(*old).order_by(AuditSeals.id).limit(most)
        with self._db.session() as db:
            return [row[0] for row in query.tuples().execute(db)]

    def delete(self, seal_id: int) -> None:
        """Delete a seal and its records, within the caller's transaction."""
        AuditRecords.delete().where(AuditRecords.seal == seal_id).execute(self._db.peewee)
        AuditSeals.delete().where(AuditSeals.id == seal_id).execute(self._db.peewee)

    def _newest(self) -> Seal | None:
        with self._db.session() as db:
            query = AuditSeals.select(*SEAL_COLUMNS).where(AuditSeals.id > 0)  # so that MariaDB does not plan a scan
            row = query.order_by(AuditSeals.id.desc()).tuples().first(db)
        return Seal(*row) if row else None

    def _rows(self, record_ids: Sequence[int]) -> Iterator[AuditRow]:
        for ids in chunks(record_ids, PAGE):
            query = AuditRecords.select(*ROW_COLUMNS).where(AuditRecords.id.in_(list(ids))).order_by(AuditRecords.id)
            with self._db.session() as db:
                yield from [AuditRow(*row) for row in query.tuples().execute(db)]

    def _add(self, seal: Seal, record_ids: Sequence[int]) -> None:
        AuditSeals.insert(dataclasses.asdict(seal)).execute(self._db.peewee)
        these = (AuditRecords.id.in_(self._db.listed(record_ids)), AuditRecords.seal.is_null())
        if AuditRecords.update(seal=seal.id).where(*these).execute(self._db.peewee) != len(record_ids):
            raise _Outrun
