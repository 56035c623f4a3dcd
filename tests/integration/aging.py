"""Lets time pass for a system: makes everything that its database has recorded older."""

from __future__ import annotations

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import SchemaVersions, Table

HOUR, DAY = 3600.0, 86400.0
DURATIONS = ("failing_s",)
EARLIEST = 1e8  # a smaller number is no time, such as 0 for never


def age(database: Database, seconds: float) -> None:
    """Make every time in every row earlier. No worker may hold a job: its lease would end."""

    def write() -> None:
        for table in Table.__subclasses__():
            for field in table._meta.sorted_fields if table is not SchemaVersions else ():
                if isinstance(field, peewee.DoubleField) and field.name not in DURATIONS:
                    earlier = table.update({field: field - seconds}).where(field > EARLIEST)
                    earlier.execute(database.peewee)

    database.transaction(write)


def row_counts(database: Database) -> dict[str, int]:
    """Table -> number of rows."""
    with database.session() as db:
        return {table._meta.table_name: table.select().count(db) for table in Table.__subclasses__()}
