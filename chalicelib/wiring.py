"""The one wiring place: settings in, everything that handlers and workers share out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.job_queue import JobQueue
from chalicelib.aws.manifest_uploads import UploadStore
from chalicelib.aws.url_signing import assumed_signer, fixed_signer
from chalicelib.config.settings import Settings
from chalicelib.db.database import Database
from chalicelib.service import CartService
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.sweep.lost_messages import ResendStore
from chalicelib.sweep.overdue_carts import Endings
from chalicelib.sweep.sweep import RetentionPolicy, Sweep

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


ORPHANED = 15.0  # seconds beyond two leases, after which nobody will record an upload any more


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long to wait for the queue and the store, in seconds, and how often to try in all."""

    connect: float
    queue: float
    store: float
    tries: int


WORKER_TIMEOUTS = ClientTimeouts(connect=5, queue=30, store=60, tries=4)  # a worker's: long polls, large parts
API_TIMEOUTS = ClientTimeouts(
    connect=2, queue=4, store=8, tries=2
)  # an API's: its client waits, and API Gateway 29 s at the most


@dataclass(frozen=True)
class System:
    settings: Settings
    database: Database
    carts: CartStore
    jobs: JobStore
    queue: JobQueue
    bundles: BundleStore
    uploads: UploadStore
    service: CartService


def build(settings: Settings, waits: ClientTimeouts = WORKER_TIMEOUTS) -> System:
    """Build the clients; nothing is connected yet."""
    session = boto3.session.Session()
    database = Database(settings)
    jobs = JobStore(database, settings.lease)
    carts = CartStore(database, jobs)
    sqs = session.client("sqs", config=Config(**_patience(waits, waits.queue)))
    queue = JobQueue(sqs, settings.job_queue)
    s3, signer = _s3(session, settings, waits), _signer(session, settings, waits)
    bundles = BundleStore(s3, signer, settings.bundle_bucket)
    uploads = UploadStore(s3, signer, settings.bundle_bucket)
    dead_letters = JobQueue(sqs, settings.job_dead_queue or f"{settings.job_queue}-dead")
    endings, resends = Endings(database, carts, jobs), ResendStore(database, settings.lease)
    upkeep = Sweep(carts, endings, jobs, resends, queue, dead_letters, bundles, _keep(settings))
    service = CartService(carts, ProgressStore(database), queue, bundles, uploads, upkeep, time.time)
    return System(settings, database, carts, jobs, queue, bundles, uploads, service)


def _keep(settings: Settings) -> RetentionPolicy:
    return RetentionPolicy(
        ttl=settings.bundle_ttl,
        safe=settings.lru_buffer_time,
        limit=settings.bundle_limit,
        deadline=settings.cart_deadline,
        orphan=2 * settings.lease + ORPHANED,
    )


def _patience(waits: ClientTimeouts, read: float) -> dict[str, Any]:
    tries = {"mode": "standard", "total_max_attempts": waits.tries}
    return {"connect_timeout": waits.connect, "read_timeout": read, "retries": tries}


def _s3(session: boto3.session.Session, settings: Settings, waits: ClientTimeouts, **overrides: Any) -> S3Client:
    config = Config(
        signature_version="s3v4",
        **_patience(waits, waits.store),
        max_pool_connections=settings.upload_concurrency + settings.job_concurrency + 2,
        # Bodies are declared by checksums the store verifies; to hash or sign them too is one more pass over all bytes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # A store of one's own knows no bucket by host name.
        s3={"payload_signing_enabled": False, **({"addressing_style": "path"} if settings.store_endpoint else {})},
    )
    client: S3Client = session.client("s3", config=config, **overrides)
    return client


def _signer(
    session: boto3.session.Session, settings: Settings, waits: ClientTimeouts
) -> Callable[[], tuple[S3Client, int]]:
    endpoint: Mapping[str, Any] = (
        {"endpoint_url": settings.bundle_public_endpoint.rstrip("/")} if settings.bundle_public_endpoint else {}
    )

    def client(**credentials: Any) -> S3Client:
        return _s3(session, settings, waits, **endpoint, **credentials)

    if not settings.bundle_signing_role:
        return fixed_signer(client, settings.bundle_url_life)
    return assumed_signer(client, session, settings.bundle_signing_role, settings.bundle_url_life, time.time)
