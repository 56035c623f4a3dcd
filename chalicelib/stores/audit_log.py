"""Reads the audit, page by page: for the commands that check, export and show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.access_models import AuditRecords, AuditSeals, RefusalCounts
from chalicelib.db.database import Database
from chalicelib.stores.audit_chain import AuditRow, Seal
from chalicelib.stores.seals import ROW_COLUMNS, SEAL_COLUMNS

PAGE = 200  # records; one may have a megabyte of ids
SEALS = 1000
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1  # ids, also those that only tampering makes


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records; times are seconds since the epoch, None for any."""

    since: float | None = None
    until: float | None = None
    owner: str | None = None
    uid: str | None = None

    def conditions(self) -> list[Any]:
        """An owner's records are those of his carts and those of what he did."""
        wanted = (
            (self.since, AuditRecords.at >= self.since),
            (self.until, AuditRecords.at < self.until),
            (self.owner, (AuditRecords.owner == self.owner) | (AuditRecords.actor == self.owner)),
            (self.uid, AuditRecords.uid == self.uid),
        )
        return [condition for value, condition in wanted if value is not None]


@dataclass(frozen=True, slots=True)
class Unsealed:
    """How many records have no seal yet, and when the oldest of them was made."""

    records: int
    oldest_at: float | None


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._db = database

    def records(self, wanted: AuditFilter) -> Iterator[tuple[AuditRow, int | None]]:
        """Records and their seals in the order of ids.

        By ranges of ids: so each statement is short, however few of the records are wanted.
        """
        with self._db.session() as db:
            last = AuditRecords.select(peewee.fn.MAX(AuditRecords.id)).scalar(db)
        start = self._next_id(LOWEST)
        while start is not None and start <= last:
            end = min(start + PAGE - 1, HIGHEST)
            query = AuditRecords.select(*ROW_COLUMNS, AuditRecords.seal).order_by(AuditRecords.id)
            query = query.where(AuditRecords.id.between(start, end), *wanted.conditions())
            with self._db.session() as db:
                rows = list(query.tuples().execute(db))
            yield from ((AuditRow(*row), seal) for *row, seal in rows)
            start = self._next_id(end)

    def seals(self) -> Iterator[Seal]:
        """All seals, the oldest first."""
        after = LOWEST
        while True:
            query = AuditSeals.select(*SEAL_COLUMNS).where(AuditSeals.id > after).order_by(AuditSeals.id).limit(SEALS)
            with self._db.session() as db:
                page = [Seal(*row) for row in query.tuples().execute(db)]
            yield from page
            if len(page) < SEALS:
                return
            after = page[-1].id

    def sealed_records(self) -> Iterator[tuple[int, AuditRow]]:
        """Seal ids and their records, in the order of both ids."""
        seal, after = LOWEST, LOWEST
        while True:
            beyond = (AuditRecords.seal > seal) | (AuditRecords.id > after)
            query = AuditRecords.select(AuditRecords.seal, *ROW_COLUMNS).where(AuditRecords.seal >= seal, beyond)
            query = query.order_by(AuditRecords.seal, AuditRecords.id).limit(PAGE)
            with self._db.session() as db:
                page = list(query.tuples().execute(db))
            yield from ((of, AuditRow(*row)) for of, *row in page)
            if len(page) < PAGE:
                return
            seal, after = page[-1][:2]

    def unsealed(self) -> Unsealed:
        columns = (peewee.fn.COUNT(AuditRecords.id), peewee.fn.MIN(AuditRecords.at))
        with self._db.session() as db:
            return Unsealed(*AuditRecords.select(*columns).where(AuditRecords.seal.is_null()).tuples().first(db))

    def refusals(self, since_minute: int) -> list[tuple[str, int, int, int]]:
        """Address, refusals, and the first and last minute with one; the most refused first."""
        count, minute = peewee.fn.SUM(RefusalCounts.refusals), RefusalCounts.at_minute
        columns = (RefusalCounts.address, count, peewee.fn.MIN(minute), peewee.fn.MAX(minute))
        query = RefusalCounts.select(*columns).where(minute >= since_minute).group_by(RefusalCounts.address)
        with self._db.session() as db:
            return [
                (address, int(refusals), first, last)
                for address, refusals, first, last in query.order_by(count.desc()).tuples().execute(db)
            ]

    def _next_id(self, after: int) -> int | None:
        with self._db.session() as db:
            found: int | None = (
                AuditRecords.select(peewee.fn.MIN(AuditRecords.id)).where(AuditRecords.id > after).scalar(db)
            )
        return found
