"""The refusal count store: the only writer of refusal_counts, how often requests without a login were refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import peewee

from chalicelib.db.access_models import RefusalCounts
from chalicelib.db.database import Database

MINUTE = 60.0  # seconds

Counts = Mapping[tuple[int, str], int]  # by minute since the epoch, and address


class RefusalCountStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, counts: Counts) -> None:
        """Add to what is counted, in one statement."""
        rows = [
            {"at_minute": minute, "address": address, "refusals": refusals}
            for (minute, address), refusals in sorted(counts.items())
        ]
        query = RefusalCounts.insert_many(rows)
        more = {RefusalCounts.refusals: RefusalCounts.refusals + self._new(RefusalCounts.refusals)}
        with self._db.writing() as db:
            self._db.upsert(query, [RefusalCounts.at_minute, RefusalCounts.address], [], more).execute(db)

    def delete_old(self, age: float, most: int) -> int:
        """Delete about `most` counts of minutes that ended `age` seconds ago; return how many it deleted."""
        ended = int((self._db.clock() - age) // MINUTE)
        old = RefusalCounts.select(RefusalCounts.at_minute).where(RefusalCounts.at_minute < ended)
        with self._db.session() as db:
            minutes = [row[0] for row in old.order_by(RefusalCounts.at_minute).limit(most).tuples().execute(db)]
            if not minutes:
                return 0
            return int(RefusalCounts.delete().where(RefusalCounts.at_minute <= minutes[-1]).execute(db))

    def _new(self, column: Any) -> Any:
        """The value that an upsert would have inserted."""
        return peewee.fn.VALUES(column) if self._db.is_mysql else getattr(peewee.EXCLUDED, column.name)
