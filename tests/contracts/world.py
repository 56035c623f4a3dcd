"""The stores on a real database whose clock tests set forward."""

from __future__ import annotations

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import SchemaVersions, Table, Volume
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from tests.doubles.world import LEASE, World
from workers.stores.recalls import RecallStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


class ShiftedDatabase(Database):
    """A real database whose clock runs ahead by what `advance` has added."""

    ahead = 0.0

    @property
    def now(self) -> peewee.SQL:
        return peewee.SQL(f"({super().now.sql} + {self.ahead!r})")

    def advance(self, seconds: float) -> None:
        self.ahead += seconds

    def empty(self) -> None:
        """Delete every row, and set the space account to zero."""
        self.ahead = 0.0
        with self.session() as db:
            for table in Table.__subclasses__():
                if table not in (SchemaVersions, Volume):
                    table.delete().execute(db)
            Volume.update(used=0, staged=0, reconciled_at=0, reconciled_to=0).execute(db)


def on_database(database: ShiftedDatabase) -> World:
    account = SpaceAccountStore(database)
    return World(
        database.transaction,
        database.clock,
        database.advance,
        JobStore(database, LEASE),
        CartStore(database),
        EntryStore(database),
        WindowStore(database),
        RecallStore(database),
        account,
        StagedFileStore(database, account),
        SharedFileStore(database),
    )
