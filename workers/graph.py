"""The objects of a worker, each built once. The one place that knows all classes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from chalicelib.job_queue import JobQueue
from chalicelib.stores.cart_history import CartHistoryStore
from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.job_waits import JobWaitStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.waking.database_queue import DatabaseQueue
from chalicelib.wiring import System
from workers.archive.client import ArchiveClient
from workers.bundling.complete import BundleCompleter
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import UploadPools, WindowUploader
from workers.bundling.upload_progress import UploadRecorder
from workers.bundling.window_runs import WindowRuns
from workers.files.volume import Volume
from workers.handlers.ask_policy import AskPolicyHandler
from workers.handlers.assist import AssistedPulls, AssistHandler
from workers.handlers.cleanup import CleanupHandler
from workers.handlers.evict import EvictHandler
from workers.handlers.fail_cart import FailCart
from workers.handlers.finish_cart import CartFinisher
from workers.handlers.import_manifest import ImportManifestHandler
from workers.handlers.recall import RecallHandler
from workers.handlers.reconcile import ReconcileHandler
from workers.handlers.relayout import Relayout
from workers.handlers.restart import RestartHandler
from workers.handlers.unread_uploads import UnreadUploads
from workers.handlers.upload_window import WindowUpload
from workers.handlers.watch_tape import TapeWatch
from workers.handlers.window import WindowHandler, WindowLoader
from workers.measuring import Measuring
from workers.policies import WorkerPolicies
from workers.runtime.consumer import Consumer, Source
from workers.runtime.due_source import DueSource
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import Handler, JobRunner
from workers.runtime.message_source import MessageSource
from workers.runtime.next_job import NextJob
from workers.runtime.policy import ConsumerPolicy
from workers.runtime.repairs import Repairs
from workers.runtime.time_slice import TimeSlices
from workers.runtime.traced_handlers import traced
from workers.runtime.wait_log import WaitLog
from workers.runtime.wait_watch import WaitWatch
from workers.staging.eviction import Evictor
from workers.staging.failed_files import FailedFiles
from workers.staging.file_retries import FileRetries
from workers.staging.find_files import FileFinder
from workers.staging.metadata import MetadataLookup
from workers.staging.pull_batch import BatchPuller, PullPools
from workers.staging.reading_rights import ReadingRights
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


class Graph:
    """Builds each object once, at its first use. `s` is what all processes share."""

    def __init__(self, s: System, policies: WorkerPolicies, volume: Volume, archive: ArchiveClient) -> None:
        self.s = s
        self.policies = policies
        self.volume = volume
        self.archive = archive
        self.clock = s.database.clock  # one clock for all workers
        self.due_jobs = DueJobStore(s.database, s.settings.lease)
        self.windows = WindowStore(s.database)
        self.recalls = RecallStore(s.database)
        self.shared_files = SharedFileStore(s.database)
        self.account = SpaceAccountStore(s.database)
        self.staged_files = StagedFileStore(s.database, self.account)
        self.unread_uploads = UnreadUploads(s.uploads, s.manifests)
        self.layout_rows = LayoutRows(s.entries, self.windows, self.shared_files)
        self.metadata = MetadataLookup(archive, self.staged_files, self.recalls)
        self.slices = TimeSlices(self.due_jobs.any_due, policies.slices)
        self.retries = FileRetries(policies.retries, archive.alive, self.clock, self.slices)
        self.sharing = WorkSharing(s.jobs, self.shared_files, s.queue, policies.sharing)
        self.finder = FileFinder(s.jobs, s.entries, self.metadata, self.retries, self.sharing, self.slices)
        self.cart_rights = CartRightsStore(s.database)
        groups = OwnerUsageStore(s.database)
        self.wait_log, self.repairs = WaitLog(), Repairs()
        self.measuring = Measuring(s, policies.watch, volume, lambda: self.consumer, self.repairs.counts)
        self.rights = ReadingRights(s.policy, s.jobs, s.entries, self.cart_rights, groups)
        self.releaser = SpaceReleaser(s.entries, self.windows, self.account, self.staged_files, volume, s.queue)

    @cached_property
    def consumer(self) -> Consumer:
        s, policy, lease = self.s, self.policies.consumer, self.s.settings.lease
        give_up = FailCart(s.jobs, s.endings, s.queue).run
        has_place = s.queue.nudge if isinstance(s.queue, DatabaseQueue) else lambda: None
        next_job = NextJob(s.jobs, self.due_jobs, policy.slots, has_place)
        runner = JobRunner(
            s.jobs, next_job, s.queue, traced(self.handlers, s.traces), give_up, self.clock, policy, self.wait_log
        )
        watch = WaitWatch(runner.held, JobWaitStore(s.database), self.wait_log, self.policies.waits)
        beat = self.measuring.watch.beat
        heartbeat = Heartbeat(s.jobs, s.queue, runner.held, lease=lease, visibility=policy.visibility, beat=beat)
        source = _source(s.queue, runner, next_job, policy)
        return Consumer(source, runner, heartbeat, self.clock, policy, besides=(watch,))

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        s = self.s
        read = ImportManifestHandler(s.jobs, s.carts, s.entries, self.unread_uploads, s.audit, s.limits, s.notify)
        return {
            JobKind.MANIFEST: read,
            JobKind.UPLOAD: read,
            JobKind.RECALL: RecallHandler(s.carts, self.rights, self.finder, self.planner, self.tape, s.queue),
            JobKind.WINDOW: self.window,
            JobKind.CLEANUP: self.cleanup,
            JobKind.RECONCILE: ReconcileHandler(s.jobs, self.account, self.staged_files, self.recalls, self.volume),
            JobKind.ASSIST: self.assist,
            JobKind.EVICT: EvictHandler(s.jobs, self.account, self.evictor, self.releaser),
            JobKind.RESTART: RestartHandler(s.jobs, s.carts, self.layout_rows, s.bundles, self.releaser),
            JobKind.POLICY: AskPolicyHandler(s.jobs, s.carts, self.cart_rights, self.rights),
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
            self.slices,
        )

    @cached_property
    def window(self) -> WindowHandler:
        s = self.s
        loader = WindowLoader(s.carts, s.entries, self.windows)
        relayout = Relayout(s.jobs, s.carts, self.layout_rows, s.bundles, self.releaser, self.repairs)
        return WindowHandler(
            s.jobs, loader, self.rights, self.reserver, self.stager, self.releaser, self.upload, relayout
        )

    @cached_property
    def upload(self) -> WindowUpload:
        s, settings = self.s, self.s.settings
        pools = UploadPools(
            parts=ThreadPoolExecutor(settings.upload_concurrency, thread_name_prefix="upload"),
            put=ThreadPoolExecutor(settings.job_concurrency, thread_name_prefix="put"),
        )
        completer = BundleCompleter(s.bundles, self.windows)
        runs = WindowRuns(self.staged_files, s.entries, self.windows)
        recorder = UploadRecorder(s.jobs, s.carts, self.windows)
        return WindowUpload(
            s.jobs,
            s.carts,
            s.queue,
            self.planner,
            WindowUploader(s.bundles, runs, self.volume, recorder, pools, settings.upload_concurrency),
            CartFinisher(s.jobs, s.carts, self.windows, s.bundles, completer, self.releaser),
            self.releaser,
            Restager(
                s.jobs,
                s.carts,
                self.windows,
                self.account,
                self.staged_files,
                self.volume,
                CartHistoryStore(s.database, s.process),
                self.repairs,
            ),
            self.policies.unreadable_delay,
        )

    @cached_property
    def planner(self) -> WindowPlanner:
        s, sizes, most = self.s, self.policies.sizes, self.s.settings.max_bundle
        return WindowPlanner(s.jobs, s.carts, s.entries, self.windows, s.bundles, self.volume, sizes, most)

    @cached_property
    def reserver(self) -> Reserver:
        return Reserver(
            self.s.jobs, self.windows, self.account, self.staged_files, self.shared_files, self.volume, self.evictor
        )

    @cached_property
    def evictor(self) -> Evictor:
        return Evictor(self.staged_files, self.volume, self.s.settings.lru_buffer_time)

    @cached_property
    def stager(self) -> Stager:
        s = self.s
        recorder = StagingRecorder(s.jobs, s.carts, s.entries, self.windows, self.staged_files)
        failed_files = FailedFiles(s.jobs, s.entries, self.metadata, self.retries)
        return Stager(self.staged_files, self.puller, self.sharing, recorder, failed_files, self.policies.staging)

    @cached_property
    def puller(self) -> BatchPuller:
        concurrency = self.s.settings.pull_concurrency
        pools = PullPools(
            pull=ThreadPoolExecutor(concurrency, thread_name_prefix="pull"),
            write=ThreadPoolExecutor(concurrency, thread_name_prefix="write"),
        )
        return BatchPuller(self.archive, self.volume, pools, concurrency, self.repairs)

    @cached_property
    def cleanup(self) -> CleanupHandler:
        s = self.s
        return CleanupHandler(
            s.jobs,
            s.carts,
            EndedCartStore(s.database),
            self.layout_rows,
            s.bundles,
            self.unread_uploads,
            self.releaser,
            self.policies.workers_stopped_after,
            self.slices,
        )

    @cached_property
    def assist(self) -> AssistHandler:
        s = self.s
        pulls = AssistedPulls(s.jobs, self.account, self.staged_files, self.shared_files, self.puller)
        return AssistHandler(s.jobs, s.carts, s.entries, self.windows, self.shared_files, self.metadata, pulls)


def _source(queue: JobQueue, runner: JobRunner, next_job: NextJob, policy: ConsumerPolicy) -> Source:
    if isinstance(queue, DatabaseQueue):
        return DueSource(queue, runner, next_job, policy)
    return MessageSource(queue, runner, policy)
