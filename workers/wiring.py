"""Builds a worker from what chalicelib.wiring builds for every process. The one place that knows all classes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from chalicelib.db import schema
from chalicelib.stores.jobs import JobKind
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.wiring import System
from workers.archive.client import ArchiveClient
from workers.bundling.complete import BundleCompleter
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import WindowUploader
from workers.files.volume import Volume
from workers.handlers.assist import AssistedPulls, AssistHandler
from workers.handlers.cleanup import CleanupHandler
from workers.handlers.fail_cart import FailCart
from workers.handlers.finish_cart import CartFinisher
from workers.handlers.import_manifest import ImportManifestHandler
from workers.handlers.recall import RecallHandler
from workers.handlers.reconcile import ReconcileHandler
from workers.handlers.relayout import Relayout
from workers.handlers.upload_window import WindowUpload
from workers.handlers.watch_tape import TapeWatch
from workers.handlers.window import WindowHandler, WindowLoader
from workers.policies import WorkerPolicies, policies_of
from workers.runtime.consumer import Consumer
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import Handler, JobRunner
from workers.staging.eviction import Evictor
from workers.staging.failed_files import FailedFiles
from workers.staging.file_retries import FileRetries
from workers.staging.find_files import FileFinder
from workers.staging.metadata import MetadataLookup
from workers.staging.pull_batch import BatchPuller, PullPools
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.restage import Restager
from workers.staging.share_work import WorkSharing
from workers.staging.stage import Stager
from workers.staging.staging_run import StagingRecorder
from workers.stores.layout_rows import LayoutRows
from workers.stores.recalls import RecallStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


@dataclass(frozen=True)
class Worker:
    """A worker ready to run, and its dependencies."""

    consumer: Consumer
    archive: ArchiveClient
    volume: Volume
    system: System


def assemble(system: System, policies: WorkerPolicies | None = None, volume: Volume | None = None) -> Worker:
    """Build a worker; policies and volume are by default those of the settings.

    The tables and the volume's directories exist when this returns.
    """
    settings = system.settings
    schema.sync(system.database)
    assert settings.volume_path is not None, "settings loaded with worker=True have a volume path"
    volume = volume or Volume(settings.volume_path, settings.volume_limit, settings.volume_reserve)
    volume.prepare()
    archive = ArchiveClient(
        settings.archive_url,
        concurrency=settings.pull_concurrency,
        connect_timeout=settings.archive_connect_timeout,
        read_timeout=settings.archive_read_timeout,
    )
    graph = _Graph(system, policies or policies_of(settings), volume, archive)
    return Worker(graph.consumer, archive, volume, system)


class _Graph:
    """Builds each object once, at its first use. `s` is what all processes share."""

    def __init__(self, s: System, policies: WorkerPolicies, volume: Volume, archive: ArchiveClient) -> None:
        self.s = s
        self.policies = policies
        self.volume = volume
        self.archive = archive
        self.clock = s.database.clock  # one clock for all workers
        self.windows = WindowStore(s.database)
        self.recalls = RecallStore(s.database)
        self.shared_files = SharedFileStore(s.database)
        self.account = SpaceAccountStore(s.database)
        self.staged_files = StagedFileStore(s.database, self.account)
        self.layout_rows = LayoutRows(s.entries, self.windows, self.shared_files)
        self.metadata = MetadataLookup(archive, self.staged_files, self.recalls)
        self.retries = FileRetries(policies.retries, archive.alive, self.clock)
        self.sharing = WorkSharing(s.jobs, self.shared_files, s.queue, policies.sharing)
        self.finder = FileFinder(s.jobs, s.entries, self.metadata, self.retries, self.sharing)
        self.releaser = SpaceReleaser(s.entries, self.windows, self.account, self.staged_files, volume, s.queue)

    @cached_property
    def consumer(self) -> Consumer:
        s, policy, lease = self.s, self.policies.consumer, self.s.settings.lease
        give_up = FailCart(s.jobs, s.endings, s.queue).run
        runner = JobRunner(s.jobs, s.queue, self.handlers, give_up, self.clock, policy)
        heartbeat = Heartbeat(s.jobs, s.queue, runner.held, lease=lease, visibility=policy.visibility)
        return Consumer(s.queue, runner, heartbeat, self.clock, policy)

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        s = self.s
        return {
            JobKind.MANIFEST: ImportManifestHandler(s.jobs, s.carts, s.entries, s.uploads, s.settings.max_manifest),
            JobKind.RECALL: RecallHandler(s.carts, self.finder, self.planner, self.tape, s.queue),
            JobKind.WINDOW: self.window,
            JobKind.CLEANUP: self.cleanup,
            JobKind.RECONCILE: ReconcileHandler(s.jobs, self.account, self.staged_files, self.volume),
            JobKind.ASSIST: self.assist,
        }

    @cached_property
    def tape(self) -> TapeWatch:
        return TapeWatch(
            self.s.jobs,
            self.windows,
            self.s.queue,
            self.finder,
            self.planner,
            self.policies.tape,
            self.clock,
        )

    @cached_property
    def window(self) -> WindowHandler:
        s = self.s
        loader = WindowLoader(s.carts, s.entries, self.windows)
        relayout = Relayout(s.jobs, s.carts, self.layout_rows, s.bundles, self.releaser)
        return WindowHandler(s.jobs, loader, self.reserver, self.stager, self.releaser, self.upload, relayout)

    @cached_property
    def upload(self) -> WindowUpload:
        s, settings = self.s, self.s.settings
        pool = ThreadPoolExecutor(settings.upload_concurrency, thread_name_prefix="upload")
        completer = BundleCompleter(s.bundles, self.windows)
        return WindowUpload(
            s.jobs,
            s.carts,
            s.queue,
            self.planner,
            WindowUploader(s.bundles, self.staged_files, self.volume, pool, settings.upload_concurrency),
            CartFinisher(s.jobs, s.carts, self.windows, s.bundles, completer, self.releaser),
            self.releaser,
            Restager(s.jobs, s.carts, self.windows, self.account, self.staged_files, self.volume),
            self.policies.unreadable_delay,
        )

    @cached_property
    def planner(self) -> WindowPlanner:
        s = self.s
        return WindowPlanner(s.jobs, s.carts, s.entries, self.windows, s.bundles, self.volume, self.policies.sizes)

    @cached_property
    def reserver(self) -> Reserver:
        evictor = Evictor(self.staged_files, self.volume, self.s.settings.lru_buffer_time)
        return Reserver(
            self.s.jobs, self.windows, self.account, self.staged_files, self.shared_files, self.volume, evictor
        )

    @cached_property
    def stager(self) -> Stager:
        s = self.s
        recorder = StagingRecorder(s.jobs, s.carts, self.windows, self.staged_files)
        failed_files = FailedFiles(s.jobs, s.entries, self.metadata, self.retries)
        return Stager(self.staged_files, self.puller, self.sharing, recorder, failed_files, self.policies.staging)

    @cached_property
    def puller(self) -> BatchPuller:
        concurrency = self.s.settings.pull_concurrency
        pools = PullPools(
            pull=ThreadPoolExecutor(concurrency, thread_name_prefix="pull"),
            write=ThreadPoolExecutor(concurrency, thread_name_prefix="write"),
        )
        return BatchPuller(self.archive, self.volume, pools, concurrency)

    @cached_property
    def cleanup(self) -> CleanupHandler:
        s = self.s
        return CleanupHandler(
            s.jobs,
            s.carts,
            self.layout_rows,
            s.bundles,
            self.releaser,
            self.policies.workers_stopped_after,
        )

    @cached_property
    def assist(self) -> AssistHandler:
        s = self.s
        pulls = AssistedPulls(s.jobs, self.account, self.staged_files, self.shared_files, self.puller)
        return AssistHandler(s.jobs, s.carts, s.entries, self.windows, self.shared_files, self.metadata, pulls)
