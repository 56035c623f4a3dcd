"""The service on a database alone: its messages are recorded, and there is no store."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, cast

from chalicelib.cart_views import CartViews
from chalicelib.config.owner_limits import LimitBook
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.policy.download_rights import AskingTimes, DownloadRights
from chalicelib.policy.everybody import Everybody
from chalicelib.policy.posting_rights import PostingRights
from chalicelib.posting.cart_poster import CartPoster
from chalicelib.posting.limits import ManifestLimits
from chalicelib.posting.new_cart import CartReplacer
from chalicelib.posting.notify_rights import NotifyPolicy, NotifyRights
from chalicelib.posting.post_limits import PostLimits
from chalicelib.posting.uploaded import Uploads
from chalicelib.service import CartService
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.cached_switches import CachedSwitches
from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.stores.cart_waits import CartWaitStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.notify_keys import NotifyKeyStore
from chalicelib.stores.outbox import OutboxStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.stores.seals import SealStore
from chalicelib.stores.uploads import UploadStore
from chalicelib.sweep.clear_carts import ClearCarts
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.expired_uploads import ExpiredUploads
from chalicelib.sweep.old_audit import OldAudit
from chalicelib.sweep.old_carts import OldCarts
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.policy import SWEEP_POLICY, RetentionPolicy
from chalicelib.sweep.reconcile_usage import ReconcileUsage
from chalicelib.sweep.seal_audit import SealAudit
from tests.callers import ANYONE
from tests.doubles.manifest_uploads import MemoryManifestUploads

LIMITS = ManifestLimits(body=64 << 20, upload=2 << 30, entries=1_000_000)

UNLIMITED = LimitBook()


TELLS_NOBODY = NotifyPolicy()


class RecordingQueue:
    """A job queue that takes every message; `sent` has them all."""

    def __init__(self) -> None:
        self.sent: list[JobMessage] = []

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        self.sent += messages
        return []


class NoBundles:
    """A bundle store without bundles."""

    def delete_bundle(self, key: str) -> None:
        pass


class Posting:
    """The stores of a database, and the service over them."""

    def __init__(
        self,
        database: Database,
        lease: float = 30,
        limits: ManifestLimits = LIMITS,
        book: LimitBook = UNLIMITED,
        notify: NotifyPolicy = TELLS_NOBODY,
    ) -> None:
        self.database = database
        self.carts, self.entries, self.jobs = CartStore(database), EntryStore(database), JobStore(database, lease)
        self.uploads, self.manifests, self.queue = UploadStore(database), MemoryManifestUploads(), RecordingQueue()
        self.endings = CartEndings(self.carts, self.jobs, self.uploads)
        self.audit = AuditStore(database)
        uploads = Uploads(database, self.uploads, cast(Any, self.manifests), self.audit, limits)
        replacer = CartReplacer(database, self.carts, self.jobs, self.endings, self.audit)
        bundles = cast(Any, NoBundles())
        self.usage = OwnerUsageStore(database)
        self.post_limits = PostLimits(self.usage, book, time.time)
        queue = cast(Any, self.queue)
        last, times = CartRightsStore(database), AskingTimes(300)
        rights = DownloadRights(Everybody(), database, last, self.entries, self.jobs, self.usage, queue, times)
        may_post = PostingRights(Everybody())
        progress, waits = ProgressStore(database), CartWaitStore(database, lease)
        self.notify_keys, self.outbox = NotifyKeyStore(database), OutboxStore(database)
        self.notify = NotifyRights(self.outbox, self.notify_keys, notify)
        self.service = CartService(
            database=database,
            carts=self.carts,
            endings=self.endings,
            queue=cast(Any, self.queue),
            bundles=bundles,
            poster=CartPoster(
                self.carts,
                self.entries,
                uploads,
                replacer,
                may_post,
                limits,
                self.post_limits,
                self.notify,
                CachedSwitches(database),
            ),
            views=CartViews(database, self.carts, progress, waits, bundles, rights, self.audit, time.time),
            audit=self.audit,
        )

    def post(self, uid: str, *names: object) -> list[JobMessage]:
        """Post a cart of these files; the messages that were sent."""
        before = len(self.queue.sent)
        self.service.create(ANYONE, uid, body(*names))
        return self.queue.sent[before:]


def body(*names: object) -> bytes:
    """A manifest of these files, each at the path of its id."""
    return json.dumps({"fileids": [{"id": str(name), "path": str(name)} for name in names]}).encode()


RETENTION = RetentionPolicy(
    ttl=3600, safe=0, limit=0, deadline=3600, orphan=0, failed=7 * 86400, history=90 * 86400, audit=365 * 86400
)


class DatabaseSweep:
    """The repairs of the sweep that need a database alone."""

    def __init__(self, database: Database, retention: RetentionPolicy = RETENTION) -> None:
        stores = Posting(database)
        jobs, endings, limits = stores.jobs, stores.endings, SWEEP_POLICY
        survey = CartSurvey(database)
        self.overdue_carts = OverdueCarts(database, survey, jobs, endings, retention.deadline, limits.carts)
        self.expired_bundles = ExpiredBundles(database, survey, endings, retention, limits.carts)
        self.reconcile_usage = ReconcileUsage(database, stores.usage, 0, limits.usages)
        self.expired_uploads = ExpiredUploads(
            database,
            stores.uploads,
            cast(Any, stores.manifests),
            limits.upload_ttl,
            limits.upload_slack,
            limits.uploads,
        )
        seals = SealStore(database)
        self.seal_audit = SealAudit(seals, 0, limits.audit_batch, limits.audit_batches)
        self.old_audit = OldAudit(
            database, seals, RefusalCountStore(database), retention.audit, limits.audit_forgotten, limits.counts
        )
        ended = EndedCartStore(database)
        self.clear_carts = ClearCarts(database, ended, jobs, retention.failed, limits.cleared)
        self.old_carts = OldCarts(
            database, ended, self.clear_carts, stores.uploads.delete_of_cart, retention.history, limits.forgotten
        )
