"""The worker's real classes on doubles: what one worker is made of, without a thread, a socket or a wait.

Time is one clock, `database.now`. A lease that sleeps sets it forward.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.aws.job_queue import JobQueue
from chalicelib.manifest.reader import Entry
from chalicelib.stores.carts import Cart
from chalicelib.stores.jobs import JobKind
from tests.doubles.archive import MemoryArchive
from tests.doubles.bundle_store import MemoryBundleStore
from tests.doubles.database import MemoryDatabase
from tests.doubles.job_queue import MemoryJobQueue
from tests.doubles.world import LEASE, in_memory
from workers.archive.client import ArchiveClient
from workers.archive.retries import FileRetries, RetryPolicy
from workers.bundling.complete import BundleCompleter
from workers.bundling.part_limits import PartSizes, split_window
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import WindowUploader
from workers.files.volume import Volume
from workers.handlers.assist import AssistedPulls, AssistHandler
from workers.handlers.cleanup import CleanupHandler
from workers.handlers.finish_cart import CartFinisher
from workers.handlers.recall import RecallHandler
from workers.handlers.relayout import Relayout
from workers.handlers.upload_window import WindowUpload
from workers.handlers.watch_tape import TapePolicy, TapeWatch
from workers.handlers.window import WindowHandler, WindowLoader
from workers.runtime.lease import Lease
from workers.staging.eviction import Evictor
from workers.staging.failed_files import FailedFiles
from workers.staging.file_actions import FileActions
from workers.staging.find_files import FileFinder
from workers.staging.layout_input import member_of
from workers.staging.metadata import MetadataLookup
from workers.staging.pull_batch import BatchPuller, PullPools
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.restage import Restager
from workers.staging.share_work import Clocks, SharingPolicy, WorkSharing
from workers.staging.stage import Stager, StagingPolicy
from workers.staging.staging_run import StagingRecorder
from workers.staging.window_work import WindowWork
from workers.stores.windows import Window, WindowState
from workers.tar.headers import end_length, member_length

MIB = 1 << 20
PART_SIZE = 8 << 20
MTIME_NS = 1_500_000_000_000_000_000


class InlineExecutor(Executor):
    """Runs each task where it is submitted, before `submit` returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Stopping(threading.Event):
    """Waits for no time: sets the clock forward, and calls `meanwhile`, where tests let others act."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__()
        self._database = database
        self.meanwhile: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        self._database.advance(timeout or 0)
        self.meanwhile()
        return self.is_set()


@dataclass
class MemorySite:
    """`root`: an empty directory for the volume, which holds `limit` bytes. `unused_for`: LRU_BUFFER_TIME."""

    root: Path
    limit: int = 64 * MIB
    unused_for: float = 0.0
    workers_stopped_after: float = 45.0
    staging: StagingPolicy = StagingPolicy(looks_at_others=5)
    retries_policy: RetryPolicy = RetryPolicy(patience=60)
    sharing_policy: SharingPolicy = SharingPolicy()
    tape_policy: TapePolicy = TapePolicy(timeout=3600)
    #: CPU seconds of this process
    busy: float = 0.0
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    bundles: MemoryBundleStore = field(default_factory=lambda: MemoryBundleStore(min_part=1))

    def __post_init__(self) -> None:
        self.world = in_memory(self.database)
        self.queue = MemoryJobQueue(self.database.clock)
        self.stopping = Stopping(self.database)
        self.volume = Volume(self.root, self.limit, 0, is_network=lambda path: False)
        self.volume.prepare()

    # What tests set up.

    def post(self, uid: str, files: Mapping[str, bytes], media: str = "disk") -> Cart:
        """A new cart of these files, by archive id, each with its SHA-1; the archive has them."""
        for name, content in files.items():
            self.archive.put(name, content, cast(Any, media))
        entries = [
            Entry(name, name, "sha1", hashlib.sha1(content).hexdigest(), int(number == 0))
            for number, (name, content) in enumerate(files.items())
        ]

        def write() -> int:
            cart_id = self.world.carts.insert("", uid, uid, "d" * 64, len(entries))
            self.world.entries.add(cart_id, 0, entries)
            return cart_id

        return self.cart(self.database.transaction(write))

    def lay_out(self, uid: str, *windows: Mapping[str, bytes]) -> Cart:
        """A staging cart of these windows, all taken. A cart of one window has no multipart upload."""
        files = {name: content for window in windows for name, content in window.items()}
        cart = self.post(uid, files)
        self.world.carts.begin_staging(cart.id)
        lengths, first, part = self._record_metadata(cart), 0, 1
        rows = []
        tail = end_length(sum(lengths))
        for number, window in enumerate(windows):
            length = sum(lengths[first : first + len(window)]) + (tail if number == len(windows) - 1 else 0)
            rows.append(Window(number, first, len(window), length, part, WindowState.TAKEN))
            first, part = first + len(window), part + len(split_window(length, PART_SIZE))
        layout = {
            "part_size": PART_SIZE,
            "bytes_total": sum(map(len, files.values())),
            "windows_total": len(rows),
            "bundle_size": sum(lengths) + tail,
            "upload_id": self.bundles.begin(key_of(cart.id, 1)) if len(rows) > 1 else "",
        }
        self.database.transaction(lambda: self.world.carts.laid_out(cart, **layout))
        self.database.transaction(lambda: self.world.windows.insert(cart.id, rows))
        return self.cart(cart.id)

    def lease(self, cart: Cart, kind: str = JobKind.WINDOW, window: int = 0) -> Lease:
        """The lease of a new job of the cart."""
        return Lease(self.world.claimed(cart.id, kind, window), "receipt", self.stopping)

    def work(self, cart: Cart, window: int = 0) -> WindowWork:
        """A window as its job reads it now."""
        row = self.world.windows.get(cart.id, window)
        assert row is not None
        return WindowWork(self.cart(cart.id), row, self.world.entries.page(cart.id, row.first, row.files))

    def reserve(self, cart: Cart, window: int = 0) -> tuple[Lease, WindowWork, FileActions]:
        """A window with its space reserved, its lease, and what is to be done for its files."""
        lease, work = self.lease(cart, JobKind.WINDOW, window), self.work(cart, window)
        actions = self.reserver.reserve(lease, work)
        assert isinstance(actions, FileActions), actions
        return lease, self.work(cart, window), actions

    def stage(self, cart: Cart, window: int = 0) -> tuple[Lease, WindowWork]:
        """A window with its files staged, and its lease."""
        lease, work, actions = self.reserve(cart, window)
        assert self.stager.stage(lease, work, actions) is None
        return lease, self.work(cart, window)

    def _record_metadata(self, cart: Cart) -> list[int]:
        """Record what a recall would have found out; the lengths of the cart's members."""
        entries = self.world.entries.page(cart.id, 0, cart.files_total)
        for entry in entries:
            entry.size, entry.mtime_ns = len(self.archive.files[entry.archive_id].content), MTIME_NS
        self.database.transaction(lambda: self.world.entries.record_found(entries))
        return [member_length(member_of(cart, entry)) for entry in entries]

    # What tests look at.

    def cart(self, cart_id: int) -> Cart:
        return self.world.carts.get(cart_id)

    def used(self) -> tuple[int, int]:
        """Bytes of the space account: charged, and staged."""
        row = self.database.tables.volume[1]
        return row.used, row.staged

    def pins(self) -> dict[str, int]:
        return {name: row.file.pins for name, row in self.database.tables.staged_files.items()}

    def on_volume(self) -> set[str]:
        """The archive files that lie on the volume."""
        return {name for name in self.archive.files if self.volume.path(name).exists()}

    def state_of(self, cart: Cart, window: int = 0) -> str:
        return self.work(cart, window).window.state

    # The worker's classes, as workers/wiring.py builds them.

    @property
    def archive_client(self) -> ArchiveClient:
        return cast(ArchiveClient, self.archive)

    @property
    def job_queue(self) -> JobQueue:
        return cast(JobQueue, self.queue)

    @property
    def bundle_store(self) -> BundleStore:
        return cast(BundleStore, self.bundles)

    @cached_property
    def metadata(self) -> MetadataLookup:
        return MetadataLookup(self.archive_client, self.world.staged_files, self.world.recalls)

    @cached_property
    def retries(self) -> FileRetries:
        return FileRetries(self.retries_policy, self.archive.alive, self.database.clock)

    @cached_property
    def sharing(self) -> WorkSharing:
        clocks = Clocks(self.database.clock, lambda: self.busy)
        return WorkSharing(self.world.jobs, self.world.shared_files, self.job_queue, self.sharing_policy, clocks)

    @cached_property
    def finder(self) -> FileFinder:
        return FileFinder(self.world.jobs, self.world.entries, self.metadata, self.retries, self.sharing)

    @cached_property
    def releaser(self) -> SpaceReleaser:
        w = self.world
        return SpaceReleaser(w.entries, w.windows, w.account, w.staged_files, self.volume, self.job_queue)

    @cached_property
    def planner(self) -> WindowPlanner:
        w, sizes = self.world, PartSizes(PART_SIZE, 16 * MIB, 1000)
        return WindowPlanner(w.jobs, w.carts, w.entries, w.windows, self.bundle_store, self.volume, sizes)

    @cached_property
    def reserver(self) -> Reserver:
        w, evictor = self.world, Evictor(self.world.staged_files, self.volume, self.unused_for)
        return Reserver(w.jobs, w.windows, w.account, w.staged_files, w.shared_files, self.volume, evictor)

    @cached_property
    def puller(self) -> BatchPuller:
        return BatchPuller(self.archive_client, self.volume, PullPools(InlineExecutor(), InlineExecutor()), 4)

    @cached_property
    def stager(self) -> Stager:
        w = self.world
        return Stager(
            w.staged_files,
            self.puller,
            self.sharing,
            StagingRecorder(w.jobs, w.carts, w.windows, w.staged_files),
            FailedFiles(w.jobs, w.entries, self.metadata, self.retries),
            self.staging,
            self.database.clock,
        )

    @cached_property
    def tape(self) -> TapeWatch:
        w = self.world
        return TapeWatch(
            w.jobs,
            w.entries,
            w.windows,
            w.recalls,
            self.job_queue,
            self.metadata,
            self.retries,
            self.finder,
            self.planner,
            self.tape_policy,
            self.database.clock,
        )

    @cached_property
    def recall_handler(self) -> RecallHandler:
        return RecallHandler(self.world.carts, self.finder, self.planner, self.tape, self.job_queue)

    @cached_property
    def upload(self) -> WindowUpload:
        w, bundles = self.world, self.bundle_store
        return WindowUpload(
            w.jobs,
            w.carts,
            self.job_queue,
            self.planner,
            WindowUploader(bundles, w.staged_files, self.volume, InlineExecutor(), 4),
            BundleCompleter(bundles, w.windows),
            CartFinisher(w.jobs, w.carts, w.windows, bundles, self.releaser),
            self.releaser,
            Restager(w.jobs, w.carts, w.windows, w.account, w.staged_files, self.volume),
        )

    @cached_property
    def window_handler(self) -> WindowHandler:
        w = self.world
        loader = WindowLoader(w.carts, w.entries, w.windows)
        relayout = Relayout(w.jobs, w.carts, w.entries, w.windows, w.shared_files, self.bundle_store, self.releaser)
        return WindowHandler(w.jobs, loader, self.reserver, self.stager, self.releaser, self.upload, relayout)

    @cached_property
    def assist_handler(self) -> AssistHandler:
        w = self.world
        pulls = AssistedPulls(w.jobs, w.account, w.staged_files, w.shared_files, self.puller)
        clock = self.database.clock
        return AssistHandler(w.jobs, w.carts, w.entries, w.windows, w.shared_files, self.metadata, pulls, clock)

    @cached_property
    def cleanup_handler(self) -> CleanupHandler:
        w, after = self.world, self.workers_stopped_after
        return CleanupHandler(
            w.jobs, w.carts, w.entries, w.windows, w.shared_files, self.bundle_store, self.releaser, after
        )


def expired(lease: Lease, site: MemorySite) -> Lease:
    """The lease of another worker, that claims the job once this one's has ended."""
    site.database.advance(LEASE + 1)
    job = site.world.jobs.claim(lease.job.id, 0)
    assert job is not None
    return replace(lease, job=job, lost=threading.Event())
