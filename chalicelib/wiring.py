"""The composition root: builds from the settings everything that the API, the sweep and the workers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.job_queue import JobQueue
from chalicelib.aws.manifest_uploads import ManifestUploadStore
from chalicelib.aws.url_signing import assumed_signer, fixed_signer
from chalicelib.config.settings import Settings
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.service import CartService
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.sweep.dead_letters import DeadLetters
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.lost_messages import LostMessages
from chalicelib.sweep.message_sender import MessageSender
from chalicelib.sweep.orphan_multipart_uploads import OrphanMultipartUploads
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.policy import SWEEP_POLICY, RetentionPolicy, SweepPolicy
from chalicelib.sweep.queue_reconcile import QueueReconcile
from chalicelib.sweep.sweep import Sweep

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Timeouts of the queue's and the store's clients in seconds, and the maximum attempts of a request."""

    connect: float
    queue: float
    store: float
    tries: int


WORKER_TIMEOUTS = ClientTimeouts(connect=5, queue=30, store=60, tries=4)  # for long polls and large parts
API_TIMEOUTS = ClientTimeouts(
    connect=2, queue=4, store=8, tries=2
)  # a client is waiting; API Gateway times out after 29 s


@dataclass(frozen=True)
class _Base:
    """What the service and the sweep are built from."""

    settings: Settings
    database: Database
    carts: CartStore
    entries: EntryStore
    jobs: JobStore
    endings: CartEndings
    queue: JobQueue
    bundles: BundleStore
    uploads: ManifestUploadStore


@dataclass(frozen=True)
class System(_Base):
    service: CartService
    sweep: Sweep


def build(
    settings: Settings, timeouts: ClientTimeouts = WORKER_TIMEOUTS, sweep_policy: SweepPolicy = SWEEP_POLICY
) -> System:
    """Build the clients and stores; none of them connects yet."""
    session = boto3.session.Session()
    database = Database(settings)
    jobs, carts, entries = JobStore(database, settings.lease), CartStore(database), EntryStore(database)
    endings = CartEndings(carts, jobs)
    sqs = session.client("sqs", config=Config(**_timeouts(timeouts, timeouts.queue)))
    queue = JobQueue(sqs, settings.job_queue)
    dead_queue = JobQueue(sqs, settings.job_dead_queue or f"{settings.job_queue}-dead")
    s3, signer = _s3(session, settings, timeouts), _signer(session, settings, timeouts)
    bundles = BundleStore(s3, signer, settings.bundle_bucket)
    uploads = ManifestUploadStore(s3, signer, settings.bundle_bucket)
    base = _Base(settings, database, carts, entries, jobs, endings, queue, bundles, uploads)
    return System(**vars(base), service=_service(base), sweep=_sweep(base, dead_queue, sweep_policy))


def _service(base: _Base) -> CartService:
    return CartService(
        database=base.database,
        carts=base.carts,
        entries=base.entries,
        jobs=base.jobs,
        endings=base.endings,
        progress_store=ProgressStore(base.database),
        queue=base.queue,
        bundles=base.bundles,
        uploads=base.uploads,
        clock=time.time,
    )


def _sweep(base: _Base, dead_queue: JobQueue, policy: SweepPolicy) -> Sweep:
    settings, database, carts, jobs, endings = base.settings, base.database, base.carts, base.jobs, base.endings
    unsent_jobs = UnsentJobStore(database, settings.lease)
    retention = RetentionPolicy(
        ttl=settings.bundle_ttl,
        safe=settings.lru_buffer_time,
        limit=settings.bundle_limit,
        deadline=settings.cart_deadline,
        orphan=2 * settings.lease + policy.orphan_slack,
    )
    return Sweep(
        MessageSender(unsent_jobs, base.queue),
        LostMessages(unsent_jobs, base.queue, policy.resent),
        DeadLetters(database, dead_queue, jobs, endings, policy.dead_letter_batches, policy.dead_letter_hidden),
        OverdueCarts(database, carts, jobs, endings, retention.deadline, policy.carts),
        ExpiredBundles(database, carts, endings, retention, policy.carts),
        QueueReconcile(database, SpaceAccountStore(database), jobs, policy.reconcile_every),
        OrphanMultipartUploads(base.bundles, carts, retention.orphan),
    )


def _timeouts(timeouts: ClientTimeouts, read: float) -> dict[str, Any]:
    tries = {"mode": "standard", "total_max_attempts": timeouts.tries}
    return {"connect_timeout": timeouts.connect, "read_timeout": read, "retries": tries}


def _s3(session: boto3.session.Session, settings: Settings, timeouts: ClientTimeouts, **overrides: Any) -> S3Client:
    config = Config(
        signature_version="s3v4",
        **_timeouts(timeouts, timeouts.store),
        max_pool_connections=settings.upload_concurrency + settings.job_concurrency + 2,
        # The store verifies each body by its declared checksum; hashing or signing it too would be one more pass.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Stores other than AWS's do not resolve a bucket's host name.
        s3={"payload_signing_enabled": False, **({"addressing_style": "path"} if settings.store_endpoint else {})},
    )
    client: S3Client = session.client("s3", config=config, **overrides)
    return client


def _signer(
    session: boto3.session.Session, settings: Settings, timeouts: ClientTimeouts
) -> Callable[[], tuple[S3Client, int]]:
    endpoint: Mapping[str, Any] = (
        {"endpoint_url": settings.bundle_public_endpoint.rstrip("/")} if settings.bundle_public_endpoint else {}
    )

    def client(**credentials: Any) -> S3Client:
        return _s3(session, settings, timeouts, **endpoint, **credentials)

    if not settings.bundle_signing_role:
        return fixed_signer(client, settings.bundle_url_life)
    return assumed_signer(client, session, settings.bundle_signing_role, settings.bundle_url_life, time.time)
