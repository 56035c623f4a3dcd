"""What the use cases, the sweep and the workers are all built from."""

from __future__ import annotations

from dataclasses import dataclass

from boto3.session import Session

from chalicelib.aws.bucket_listing import BucketListing
from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.clients import ClientTimeouts, s3_client, url_signer
from chalicelib.aws.manifest_uploads import ManifestUploadStore
from chalicelib.config.settings import Settings
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_queue import JobQueue
from chalicelib.notify.asked import Channel, Target
from chalicelib.policy.configured import policy_of
from chalicelib.policy.policy import Policy
from chalicelib.posting.limits import ManifestLimits
from chalicelib.posting.notify_rights import NotifyPolicy, NotifyRights
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.cart_shares import CartShareStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.notify_keys import NotifyKeyStore
from chalicelib.stores.outbox import OutboxStore
from chalicelib.stores.uploads import UploadStore
from chalicelib.tracing.configured import traces_of
from chalicelib.tracing.traces import Traces


@dataclass(frozen=True)
class Base:
    """What the service and the sweep are built from."""

    settings: Settings
    database: Database
    carts: CartStore
    shares: CartShareStore
    entries: EntryStore
    jobs: JobStore
    uploads: UploadStore
    audit: AuditStore
    endings: CartEndings
    queue: JobQueue
    bundles: BundleStore
    bucket: BucketListing
    manifests: ManifestUploadStore
    limits: ManifestLimits
    policy: Policy
    process: str
    outbox: OutboxStore
    notify_keys: NotifyKeyStore
    notify: NotifyRights
    traces: Traces


def base_of(
    settings: Settings,
    session: Session,
    timeouts: ClientTimeouts,
    queue: JobQueue,
    process: str,
    read_timeout: float,
) -> Base:
    """`process`: the name of this process. `read_timeout`: seconds to wait for the database's next bytes."""
    database = Database(settings, read_timeout=read_timeout)
    jobs, entries = JobStore(database, settings.lease, int(settings.queue_is_database)), EntryStore(database)
    outbox, notify_keys = OutboxStore(database, _told_of_all(settings)), NotifyKeyStore(database)
    traces = traces_of(settings, process)
    carts = CartStore(database, process=process, outbox=outbox, traces=traces)
    uploads, shares, audit = UploadStore(database), CartShareStore(database), AuditStore(database)
    s3, signer = s3_client(session, settings, timeouts), url_signer(session, settings, timeouts)
    return Base(
        settings=settings,
        database=database,
        carts=carts,
        shares=shares,
        entries=entries,
        jobs=jobs,
        uploads=uploads,
        audit=audit,
        endings=CartEndings(carts, jobs, uploads),
        queue=queue,
        bundles=BundleStore(s3, signer, settings.bundle_bucket),
        bucket=BucketListing(s3, settings.bundle_bucket),
        manifests=ManifestUploadStore(s3, signer, settings.bundle_bucket),
        limits=ManifestLimits(settings.max_body, settings.max_manifest, settings.max_entries),
        policy=policy_of(settings),
        process=process,
        outbox=outbox,
        notify_keys=notify_keys,
        notify=NotifyRights(outbox, notify_keys, _notify_policy(settings)),
        traces=traces,
    )


def _told_of_all(settings: Settings) -> list[Target]:
    """Who is told of every cart."""
    found = {Channel.TOPIC: settings.notify_topic, Channel.BUS: settings.notify_bus}
    return [Target(channel, where) for channel, where in found.items() if where]


def _notify_policy(settings: Settings) -> NotifyPolicy:
    return NotifyPolicy(
        allowed_hosts=settings.notify_allowed_hosts,
        mail=bool(settings.notify_mail_from),
        domains=settings.notify_mail_domains,
        limit=settings.limit_webhooks,
    )
