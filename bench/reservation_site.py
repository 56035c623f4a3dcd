"""Workers that do nothing but reserve: the real classes on a volume that is slow and keeps no files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from chalicelib.config.settings import load
from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.job_queue import JobQueue
from chalicelib.manifest.reader import Entry
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.waiting_windows import WaitingWindowStore
from workers.files import crc64nvme
from workers.files.disk_look import DiskLook
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Park
from workers.staging.eviction import Evictor
from workers.staging.file_actions import FileActions
from workers.staging.free_space import FreeSpace
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.waking import Waker
from workers.staging.window_work import WindowWork
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import Window, WindowStore

FILES, FILE = 10, 1 << 20  # files of a window, and bytes of each
LEASE = 3600.0
TEMPORARIES = 48  # files that are being pulled meanwhile
HASHES = {crc64nvme.NAME: crc64nvme.to_hex(1)}


class SlowVolume(Volume):
    """Each call to the file system takes `delay` seconds: a look one per temporary file, an unlink two."""

    def __init__(self, root: Path, limit: int, delay: float) -> None:
        super().__init__(root, limit, 0, is_network=lambda _: True)
        self._delay = delay

    def look(self) -> DiskLook:
        time.sleep(self._delay * (3 + TEMPORARIES))
        return super().look()

    def remove_staged(self, archive_id: str) -> None:
        time.sleep(self._delay * 2)


class _NoQueue:
    def send(self, messages: Any, delay: float = 0) -> list[Any]:
        return []


class WorkerSite:
    """One worker. Its database connection is that of the thread which uses it."""

    def __init__(self, variables: Mapping[str, str], root: Path, limit: int, delay: float) -> None:
        database = self._database = Database(load(variables))
        volume = SlowVolume(root, limit, delay)
        volume.prepare()
        self.jobs, self._carts, self._entries = JobStore(database, LEASE), CartStore(database), EntryStore(database)
        self._windows, self._account = WindowStore(database), SpaceAccountStore(database)
        self._staged_files = StagedFileStore(database, self._account)
        evicted = EvictedFileStore(database, self._account)
        evictor = Evictor(self.jobs, self._account, evicted, volume, 0, database.clock)
        free_space = FreeSpace(self._account, volume)
        waiting, queue = WaitingWindowStore(database, LEASE), cast(JobQueue, _NoQueue())
        self.waker = Waker(waiting, self._windows, self._account, evictor, free_space, queue)
        self.releaser = SpaceReleaser(
            self._entries, self._windows, self._account, self._staged_files, evicted, evictor, self.waker
        )
        self.reserver = Reserver(
            self.jobs,
            self._windows,
            self._account,
            self._staged_files,
            SharedFileStore(database),
            volume,
            evictor,
            free_space,
            self.waker,
            database.clock,
        )

    def close(self) -> None:
        self._database.close()

    def windows(self, cart_id: int) -> Iterator[tuple[Lease, WindowWork]]:
        """Each window of a cart, with its job claimed."""
        cart = self._carts.get(cart_id)
        query = Jobs.select(Jobs.id, Jobs.token).where(Jobs.cart_id == cart_id).order_by(Jobs.window).tuples()
        with self._database.session() as db:
            found = list(query.execute(db))
        for job_id, token in found:
            job = self.jobs.claim(job_id, token)
            assert job is not None
            window = self._windows.get(cart_id, job.window)
            assert window is not None
            entries = self._entries.page(cart_id, window.first, window.files)
            yield Lease(job, "receipt", threading.Event()), WindowWork(cart, window, entries)

    def reserve(self, lease: Lease, work: WindowWork) -> None:
        """Until it is reserved: as in a worker, but for the wake that brings the job back."""
        while not isinstance(outcome := self.reserver.reserve(lease, work), FileActions):
            time.sleep(0.02)
            assert outcome.waits_for == WaitsFor.SPACE

    def stage_and_release(self, lease: Lease, work: WindowWork) -> None:
        """Record all files as staged, as if they had been pulled and uploaded, and release the window."""
        staged = [(spec, HASHES) for spec in work.specs().values()]
        key = (work.cart.id, work.window.number)

        def write() -> None:
            self._staged_files.record_staged(staged)
            self._windows.move(*key, (WindowState.RESERVED,), WindowState.DONE)
            self.releaser.release_window(work)

        self.jobs.finish(lease.job, write)
        self.releaser.wake_waiting("")


def seed(database: Database, carts: int, windows: int, idle: int) -> list[int]:
    """Carts of taken windows with a job each, and `idle` staged files that no window needs; the carts' ids."""
    account = SpaceAccountStore(database)
    staged_files, jobs = StagedFileStore(database, account), JobStore(database, LEASE)
    specs = [FileSpec(f"idle-{number}", FILE, 1, ()) for number in range(idle)]

    def leave_idle() -> None:
        staged_files.claim(0, specs, {}, 0)
        staged_files.record_staged([(spec, HASHES) for spec in specs])

    database.transaction(leave_idle)
    return [_cart(database, jobs, number, windows) for number in range(carts)]


def seed_waiting(site: WorkerSite, database: Database, count: int) -> int:
    """One cart that holds the volume, and `count` that wait; the number of jobs that are due within five minutes."""
    (first,) = seed(database, 1, 8, 0)
    for lease, work in site.windows(first):
        site.reserve(lease, work)
    jobs = JobStore(database, LEASE)
    for number in range(count):
        for lease, work in site.windows(_cart(database, jobs, number + 1, 1)):
            outcome = site.reserver.reserve(lease, work)
            assert isinstance(outcome, Park), outcome
            site.jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window, outcome.waits_for)
    with database.session() as db:
        soon = (Jobs.due_at <= database.now + 300) & (Jobs.lease_until <= database.now)
        return int(Jobs.select().where(soon).count(db))


def _cart(database: Database, jobs: JobStore, number: int, windows: int) -> int:
    files = windows * FILES
    entries = [Entry(f"c{number}-{file}", f"f{file}", "", "", 0) for file in range(files)]

    def insert() -> int:
        cart_id = CartStore(database).insert("", f"cart-{number}", ManifestRow(f"cart-{number}", "d" * 64, files))
        EntryStore(database).add(cart_id, 0, entries)
        rows = [
            Window(window, window * FILES, FILES, FILES * FILE, window + 1, WindowState.TAKEN)
            for window in range(windows)
        ]
        WindowStore(database).insert(cart_id, rows)
        for window in range(windows):
            jobs.add(cart_id, JobKind.WINDOW, window)
        return cart_id

    cart_id = database.transaction(insert)
    found = EntryStore(database).page(cart_id, 0, files)
    for entry in found:
        entry.size, entry.mtime_ns = FILE, 1
    database.transaction(lambda: EntryStore(database).record_found(found))
    return cart_id
