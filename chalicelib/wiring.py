"""The one wiring place: settings in, everything that handlers and workers share out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.bundles import BundleStore
from chalicelib.carts import CartStore
from chalicelib.database import Database
from chalicelib.endings import Endings
from chalicelib.jobs import JobStore
from chalicelib.progress import ProgressStore
from chalicelib.queue import JobQueue
from chalicelib.service import CartService
from chalicelib.settings import Settings
from chalicelib.signing import assumed_signer, fixed_signer
from chalicelib.upkeep import Keep, Upkeep
from chalicelib.uploads import UploadStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


ORPHANED = 15.0  # seconds beyond two leases, after which nobody will record an upload any more


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


def build(settings: Settings) -> System:
    """Build the clients; nothing is connected yet."""
    session = boto3.session.Session()
    database = Database(settings)
    jobs = JobStore(database, settings.lease)
    carts = CartStore(database, jobs)
    sqs = session.client("sqs", config=Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=30))
    queue = JobQueue(sqs, settings.job_queue)
    s3, signer = _s3(session, settings), _signer(session, settings)
    bundles = BundleStore(s3, signer, settings.bundle_bucket)
    uploads = UploadStore(s3, signer, settings.bundle_bucket)
    dead_letters = JobQueue(sqs, settings.job_dead_queue or f"{settings.job_queue}-dead")
    upkeep = Upkeep(carts, Endings(database, carts, jobs), jobs, queue, dead_letters, bundles, _keep(settings))
    service = CartService(carts, ProgressStore(database), queue, bundles, uploads, upkeep, time.time)
    return System(settings, database, carts, jobs, queue, bundles, uploads, service)


def _keep(settings: Settings) -> Keep:
    return Keep(
        ttl=settings.bundle_ttl,
        safe=settings.lru_buffer_time,
        limit=settings.bundle_limit,
        deadline=settings.cart_deadline,
        orphan=2 * settings.lease + ORPHANED,
    )


def _s3(session: boto3.session.Session, settings: Settings, **overrides: Any) -> S3Client:
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=settings.upload_concurrency + settings.job_concurrency + 2,
        # Bodies are declared by checksums the store verifies; to hash or sign them too is one more pass over all bytes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # A store of one's own knows no bucket by host name.
        s3={"payload_signing_enabled": False, **({"addressing_style": "path"} if settings.store_endpoint else {})},
    )
    client: S3Client = session.client("s3", config=config, **overrides)
    return client


def _signer(session: boto3.session.Session, settings: Settings) -> Callable[[], tuple[S3Client, int]]:
    endpoint: Mapping[str, Any] = (
        {"endpoint_url": settings.bundle_public_endpoint.rstrip("/")} if settings.bundle_public_endpoint else {}
    )

    def client(**credentials: Any) -> S3Client:
        return _s3(session, settings, **endpoint, **credentials)

    if not settings.bundle_signing_role:
        return fixed_signer(client, settings.bundle_url_life)
    return assumed_signer(client, session, settings.bundle_signing_role, settings.bundle_url_life, time.time)
