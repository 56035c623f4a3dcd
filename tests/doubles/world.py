"""The database stores of one world, with the doubles in it or the real ones, and a clock that tests set forward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.manifest.reader import Entry
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.audit_log import AuditLog
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.stores.uploads import UploadStore
from chalicelib.stores.waiting_windows import WaitingWindowStore
from tests.doubles.audit import MemoryAuditLog, MemoryAuditStore
from tests.doubles.carts import MemoryCartStore
from tests.doubles.database import MemoryDatabase
from tests.doubles.due_jobs import MemoryDueJobStore
from tests.doubles.ended_carts import MemoryEndedCartStore
from tests.doubles.entries import MemoryEntryStore
from tests.doubles.evicted_files import MemoryEvictedFileStore
from tests.doubles.jobs import MemoryJobStore
from tests.doubles.known_files import MemoryKnownFileStore
from tests.doubles.recalls import MemoryRecallStore
from tests.doubles.shared_files import MemorySharedFileStore
from tests.doubles.space_account import MemorySpaceAccountStore
from tests.doubles.staged_files import MemoryStagedFileStore
from tests.doubles.tape_looks import MemoryTapeLookStore
from tests.doubles.unsent_jobs import MemoryUnsentJobStore
from tests.doubles.uploads import MemoryUploadStore
from tests.doubles.waiting_windows import MemoryWaitingWindowStore
from tests.doubles.windows import MemoryWindowStore
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.known_files import KnownFileStore
from workers.stores.recalls import RecallStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.tape_looks import TapeLookStore
from workers.stores.windows import WindowStore

LEASE = 30.0  # seconds


@dataclass
class World:
    """`advance` sets the database's clock forward, in seconds."""

    transaction: Callable[[Callable[[], Any]], Any]
    clock: Callable[[], float]
    advance: Callable[[float], None]
    jobs: JobStore
    due_jobs: DueJobStore
    unsent_jobs: UnsentJobStore
    carts: CartStore
    ended_carts: EndedCartStore
    entries: EntryStore
    windows: WindowStore
    recalls: RecallStore
    looks: TapeLookStore
    known_files: KnownFileStore
    account: SpaceAccountStore
    staged_files: StagedFileStore
    evicted_files: EvictedFileStore
    waiting: WaitingWindowStore
    shared_files: SharedFileStore
    uploads: UploadStore
    audit: AuditStore
    audit_log: AuditLog
    #: events and causes of a cart, the oldest first
    history: Callable[[int], list[tuple[str, str]]]

    def __post_init__(self) -> None:
        self.endings = CartEndings(self.carts, self.jobs, self.uploads)

    def job(self, cart_id: int, kind: str = JobKind.WINDOW, window: int = 0) -> JobMessage:
        message: JobMessage = self.transaction(lambda: self.jobs.add(cart_id, kind, window))
        return message

    def claimed(self, cart_id: int, kind: str = JobKind.WINDOW, window: int = 0) -> Job:
        """A job that was added and claimed, whoever's turn it is."""
        message = self.job(cart_id, kind, window)
        job = self.jobs.claim(message.job_id, message.token)
        assert job is not None
        return job

    def cart(self, uid: str = "a", files: int = 0, owner: str = "") -> Cart:
        """A new cart with `files` entries: files f0, f1 and so on."""

        def write() -> int:
            cart_id = self.carts.insert(owner, uid, ManifestRow(uid, "d" * 64, files))
            self.entries.add(cart_id, 0, [entry(number) for number in range(files)])
            return cart_id

        return self.carts.get(self.transaction(write))


def entry(number: int) -> Entry:
    return Entry(f"f{number}", f"d/f{number}", "sha1", "0" * 40, 0)


def in_memory(database: MemoryDatabase | None = None, lease: float = LEASE) -> World:
    database = database or MemoryDatabase()
    account = MemorySpaceAccountStore(database)
    return World(
        database.transaction,
        database.clock,
        database.advance,
        cast(JobStore, MemoryJobStore(database, lease)),
        cast(DueJobStore, MemoryDueJobStore(database)),
        cast(UnsentJobStore, MemoryUnsentJobStore(database, lease)),
        cast(CartStore, MemoryCartStore(database)),
        cast(EndedCartStore, MemoryEndedCartStore(database)),
        cast(EntryStore, MemoryEntryStore(database)),
        cast(WindowStore, MemoryWindowStore(database)),
        cast(RecallStore, MemoryRecallStore(database)),
        cast(TapeLookStore, MemoryTapeLookStore(database)),
        cast(KnownFileStore, MemoryKnownFileStore(database)),
        cast(SpaceAccountStore, account),
        cast(StagedFileStore, MemoryStagedFileStore(database, account)),
        cast(EvictedFileStore, MemoryEvictedFileStore(database, account)),
        cast(WaitingWindowStore, MemoryWaitingWindowStore(database, lease)),
        cast(SharedFileStore, MemorySharedFileStore(database)),
        cast(UploadStore, MemoryUploadStore(database)),
        MemoryAuditStore(database),
        cast(AuditLog, MemoryAuditLog(database)),
        lambda cart_id: database.tables.history.get(cart_id, []),
    )
