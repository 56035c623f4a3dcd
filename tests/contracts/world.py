"""The stores on a real database whose clock tests set forward."""

from __future__ import annotations

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import SchemaVersions, Table
from chalicelib.db.volume_models import Volume
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.audit_log import AuditLog
from chalicelib.stores.cart_history import CartHistoryStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.stores.uploads import UploadStore
from chalicelib.stores.waiting_windows import WaitingWindowStore
from tests.doubles.tape_looks import LOOKS
from tests.doubles.world import LEASE, World
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.known_files import KnownFileStore
from workers.stores.recalls import RecallStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.tape_looks import TapeLookStore
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
            Volume.update(used=0, staged=0, removed=0, reconciled_at=0, reconciled_to=0).execute(db)


def on_database(database: ShiftedDatabase) -> World:
    account, histories = SpaceAccountStore(database), CartHistoryStore(database)
    return World(
        database.transaction,
        database.clock,
        database.advance,
        JobStore(database, LEASE),
        DueJobStore(database, LEASE),
        UnsentJobStore(database, LEASE),
        CartStore(database),
        EndedCartStore(database),
        EntryStore(database),
        WindowStore(database),
        RecallStore(database),
        TapeLookStore(database, LOOKS),
        KnownFileStore(database),
        account,
        StagedFileStore(database, account),
        EvictedFileStore(database, account),
        WaitingWindowStore(database, LEASE),
        SharedFileStore(database),
        UploadStore(database),
        AuditStore(database),
        AuditLog(database),
        lambda cart_id: [(row.event, row.cause) for row in histories.of_cart(cart_id)],
    )
