"""The worker's real classes on doubles, built as workers/wiring.py builds them; no thread, no socket, no wait.

Time is one clock, `database.now`. A lease that sleeps sets it forward.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.manifest_uploads import ManifestUploadStore
from chalicelib.job_queue import JobQueue
from chalicelib.policy.everybody import Everybody
from chalicelib.stores.cart_history import CartHistoryStore
from tests.doubles.archive import MemoryArchive
from tests.doubles.bundle_store import MemoryBundleStore
from tests.doubles.cart_history import MemoryCartHistory
from tests.doubles.database import MemoryDatabase
from tests.doubles.job_queue import MemoryJobQueue
from tests.doubles.manifest_uploads import MemoryManifestUploads
from tests.doubles.world import in_memory
from workers.archive.client import ArchiveClient
from workers.bundling.complete import BundleCompleter
from workers.bundling.part_limits import STORE_LIMIT, PartSizes
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import UploadPools, WindowUploader
from workers.bundling.upload_progress import UploadRecorder
from workers.bundling.window_runs import WindowRuns
from workers.files.volume import Volume
from workers.handlers.assist import AssistedPulls, AssistHandler
from workers.handlers.cleanup import CleanupHandler
from workers.handlers.finish_cart import CartFinisher
from workers.handlers.recall import RecallHandler
from workers.handlers.relayout import Relayout
from workers.handlers.unread_uploads import UnreadUploads
from workers.handlers.upload_window import WindowUpload
from workers.handlers.watch_tape import TapePolicy, TapeWatch
from workers.handlers.window import WindowHandler, WindowLoader
from workers.runtime.repairs import Repairs
from workers.runtime.time_slice import SlicePolicy, TimeSlices
from workers.staging.eviction import Evictor
from workers.staging.failed_files import FailedFiles
from workers.staging.file_retries import FileRetries, FileRetryPolicy
from workers.staging.find_files import FileFinder
from workers.staging.metadata import MetadataLookup
from workers.staging.pull_batch import BatchPuller, PullPools
from workers.staging.reading_rights import ReadingRights
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.restage import Restager
from workers.staging.share_work import Clocks, SharingPolicy, WorkSharing
from workers.staging.stage import Stager, StagingPolicy
from workers.staging.staging_run import StagingRecorder
from workers.stores.layout_rows import LayoutRows

MIB = 1 << 20
PART_SIZE = 8 << 20


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
class WorkerParts:
    """`root`: an empty directory for the volume, which holds `limit` bytes. `unused_for`: LRU_BUFFER_TIME."""

    root: Path
    limit: int = 64 * MIB
    unused_for: float = 0.0
    workers_stopped_after: float = 45.0
    staging: StagingPolicy = StagingPolicy(looks_at_others=5)
    retries_policy: FileRetryPolicy = FileRetryPolicy(patience=60)
    sharing_policy: SharingPolicy = SharingPolicy()
    slices_policy: SlicePolicy = SlicePolicy()
    tape_policy: TapePolicy = TapePolicy(timeout=3600)
    sizes: PartSizes = PartSizes(PART_SIZE, 16 * MIB, 1000)
    max_bundle: int = STORE_LIMIT
    upload_pools: UploadPools = field(default_factory=lambda: UploadPools(InlineExecutor(), InlineExecutor()))
    #: CPU seconds of this process
    busy: float = 0.0
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    bundles: MemoryBundleStore = field(default_factory=lambda: MemoryBundleStore(min_part=1))
    manifests: MemoryManifestUploads = field(default_factory=MemoryManifestUploads)
    history: MemoryCartHistory = field(default_factory=MemoryCartHistory)
    repairs: Repairs = field(default_factory=Repairs)

    def __post_init__(self) -> None:
        self.world = in_memory(self.database)
        self.queue = MemoryJobQueue(self.database.clock)
        self.stopping = Stopping(self.database)
        self.volume = Volume(self.root, self.limit, 0, is_network=lambda path: False)
        self.volume.prepare()

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
    def rights(self) -> ReadingRights:
        """Nobody is asked: what asks the policy is tested on databases."""
        none = cast(Any, None)
        return ReadingRights(Everybody(), self.world.jobs, self.world.entries, rights=none, groups=none)

    @cached_property
    def metadata(self) -> MetadataLookup:
        return MetadataLookup(self.archive_client, self.world.staged_files, self.world.recalls)

    @cached_property
    def retries(self) -> FileRetries:
        return FileRetries(self.retries_policy, self.archive.alive, self.database.clock, self.slices)

    @cached_property
    def slices(self) -> TimeSlices:
        return TimeSlices(self.world.due_jobs.any_due, self.slices_policy, self.database.clock)

    @cached_property
    def sharing(self) -> WorkSharing:
        clocks = Clocks(self.database.clock, lambda: self.busy)
        return WorkSharing(self.world.jobs, self.world.shared_files, self.job_queue, self.sharing_policy, clocks)

    @cached_property
    def finder(self) -> FileFinder:
        w = self.world
        return FileFinder(w.jobs, w.entries, self.metadata, self.retries, self.sharing, self.slices)

    @cached_property
    def releaser(self) -> SpaceReleaser:
        w = self.world
        return SpaceReleaser(w.entries, w.windows, w.account, w.staged_files, self.volume, self.job_queue)

    @cached_property
    def planner(self) -> WindowPlanner:
        w, sizes = self.world, self.sizes
        return WindowPlanner(
            w.jobs, w.carts, w.entries, w.windows, self.bundle_store, self.volume, sizes, self.max_bundle
        )

    @cached_property
    def reserver(self) -> Reserver:
        w, evictor = self.world, Evictor(self.world.staged_files, self.volume, self.unused_for)
        return Reserver(w.jobs, w.windows, w.account, w.staged_files, w.shared_files, self.volume, evictor)

    @cached_property
    def puller(self) -> BatchPuller:
        return BatchPuller(
            self.archive_client, self.volume, PullPools(InlineExecutor(), InlineExecutor()), 4, self.repairs
        )

    @cached_property
    def stager(self) -> Stager:
        w = self.world
        return Stager(
            w.staged_files,
            self.puller,
            self.sharing,
            StagingRecorder(w.jobs, w.carts, w.entries, w.windows, w.staged_files),
            FailedFiles(w.jobs, w.entries, self.metadata, self.retries),
            self.staging,
            self.database.clock,
        )

    @cached_property
    def tape(self) -> TapeWatch:
        w = self.world
        return TapeWatch(
            w.jobs,
            w.windows,
            self.job_queue,
            self.finder,
            self.planner,
            self.tape_policy,
            self.database.clock,
            self.slices,
        )

    @cached_property
    def recall_handler(self) -> RecallHandler:
        return RecallHandler(self.world.carts, self.rights, self.finder, self.planner, self.tape, self.job_queue)

    @cached_property
    def uploader(self) -> WindowUploader:
        w = self.world
        runs = WindowRuns(w.staged_files, w.entries, w.windows)
        recorder = UploadRecorder(w.jobs, w.carts, w.windows, clock=self.database.clock)
        return WindowUploader(self.bundle_store, runs, self.volume, recorder, self.upload_pools, 4)

    @cached_property
    def completer(self) -> BundleCompleter:
        return BundleCompleter(self.bundle_store, self.world.windows)

    @cached_property
    def finisher(self) -> CartFinisher:
        w = self.world
        return CartFinisher(w.jobs, w.carts, w.windows, self.bundle_store, self.completer, self.releaser)

    @cached_property
    def upload(self) -> WindowUpload:
        w = self.world
        return WindowUpload(
            w.jobs,
            w.carts,
            self.job_queue,
            self.planner,
            self.uploader,
            self.finisher,
            self.releaser,
            Restager(
                w.jobs,
                w.carts,
                w.windows,
                w.account,
                w.staged_files,
                self.volume,
                cast(CartHistoryStore, self.history),
                self.repairs,
            ),
        )

    @cached_property
    def layout_rows(self) -> LayoutRows:
        return LayoutRows(self.world.entries, self.world.windows, self.world.shared_files)

    @cached_property
    def window_handler(self) -> WindowHandler:
        w = self.world
        loader = WindowLoader(w.carts, w.entries, w.windows)
        relayout = Relayout(w.jobs, w.carts, self.layout_rows, self.bundle_store, self.releaser, self.repairs)
        return WindowHandler(
            w.jobs, loader, self.rights, self.reserver, self.stager, self.releaser, self.upload, relayout
        )

    @cached_property
    def assist_handler(self) -> AssistHandler:
        w = self.world
        pulls = AssistedPulls(w.jobs, w.account, w.staged_files, w.shared_files, self.puller)
        clock = self.database.clock
        return AssistHandler(w.jobs, w.carts, w.entries, w.windows, w.shared_files, self.metadata, pulls, clock)

    @cached_property
    def cleanup_handler(self) -> CleanupHandler:
        w, after = self.world, self.workers_stopped_after
        uploads = UnreadUploads(w.uploads, cast(ManifestUploadStore, self.manifests))
        return CleanupHandler(
            w.jobs,
            w.carts,
            w.ended_carts,
            self.layout_rows,
            self.bundle_store,
            uploads,
            self.releaser,
            after,
            self.slices,
        )
