"""The policies of a worker in one place: those the settings ask for, and those that tests shorten.

Other constants are in the modules that use them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.config.settings import Settings
from workers.bundling.part_limits import PartSizes
from workers.handlers.upload_window import UNREADABLE_DELAY
from workers.handlers.watch_tape import TapePolicy
from workers.notifying.courier import CourierPolicy
from workers.runtime.policy import ConsumerPolicy
from workers.runtime.time_slice import SlicePolicy
from workers.runtime.wait_watch import WaitWatchPolicy
from workers.runtime.worker_watch import WatchPolicy
from workers.staging.file_retries import FileRetryPolicy
from workers.staging.share_work import SharingPolicy
from workers.staging.stage import StagingPolicy
from workers.stores.tape_looks import LookPolicy

WORKERS_STOP = 15.0  # seconds after a lease expires by which its worker has stopped writing


@dataclass(frozen=True, slots=True)
class WorkerPolicies:
    """`workers_stopped_after` and `unreadable_delay` are in seconds: see CleanupHandler and WindowUpload."""

    consumer: ConsumerPolicy
    retries: FileRetryPolicy
    tape: TapePolicy
    looks: LookPolicy
    sizes: PartSizes
    workers_stopped_after: float
    unreadable_delay: float = UNREADABLE_DELAY
    staging: StagingPolicy = StagingPolicy()
    sharing: SharingPolicy = SharingPolicy()
    slices: SlicePolicy = SlicePolicy()
    waits: WaitWatchPolicy = WaitWatchPolicy()
    watch: WatchPolicy = WatchPolicy()
    courier: CourierPolicy = CourierPolicy()


def policies_of(settings: Settings) -> WorkerPolicies:
    """The policies that the settings ask for."""
    return WorkerPolicies(
        consumer=ConsumerPolicy(slots=settings.job_concurrency, visibility=settings.visibility),
        retries=FileRetryPolicy(patience=settings.archive_patience),
        tape=TapePolicy(timeout=settings.recall_timeout),
        looks=LookPolicy(settings.archive_looks),
        sizes=PartSizes(settings.part_size, settings.window_size, settings.window_files),
        workers_stopped_after=settings.lease + WORKERS_STOP,
        watch=WatchPolicy(hung_after=settings.hung_after),
    )
