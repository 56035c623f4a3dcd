"""Builds the sweep."""

from __future__ import annotations

from chalicelib.stores.cart_history import CartHistoryStore
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.figures import FigureStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.stores.seals import SealStore
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.sweep_times import SweepTimes
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.stores.worker_states import WorkerStateStore
from chalicelib.sweep.clear_carts import ClearCarts
from chalicelib.sweep.dead_letters import DeadLetters, NoDeadLetters
from chalicelib.sweep.ended_shares import EndedShares
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.expired_uploads import ExpiredUploads
from chalicelib.sweep.left_by_other_queue import LeftByOtherQueue
from chalicelib.sweep.lost_messages import LostMessages
from chalicelib.sweep.message_sender import MessageSender
from chalicelib.sweep.old_audit import OldAudit
from chalicelib.sweep.old_carts import OldCarts
from chalicelib.sweep.old_notifications import OldNotifications
from chalicelib.sweep.old_workers import OldWorkers
from chalicelib.sweep.orphan_multipart_uploads import OrphanMultipartUploads
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.policy import RetentionPolicy, SweepPolicy
from chalicelib.sweep.queue_reconcile import QueueReconcile
from chalicelib.sweep.reconcile_usage import ReconcileUsage
from chalicelib.sweep.seal_audit import SealAudit
from chalicelib.sweep.site_watch import SiteWatch
from chalicelib.sweep.sweep import Sweep
from chalicelib.wiring_base import Base
from chalicelib.wiring_queue import SqsQueues

DAY = 86400.0  # seconds


def sweep_of(base: Base, sqs: SqsQueues | None, policy: SweepPolicy) -> Sweep:
    """`sqs`: None if the jobs table is the queue."""
    settings, database, jobs, endings = base.settings, base.database, base.jobs, base.endings
    survey, unsent_jobs = CartSurvey(database), UnsentJobStore(database, settings.lease)
    retention = RetentionPolicy(
        ttl=settings.bundle_ttl,
        safe=settings.lru_buffer_time,
        limit=settings.bundle_limit,
        deadline=settings.cart_deadline,
        orphan=2 * settings.lease + policy.orphan_slack,
        failed=settings.error_ttl,
        history=settings.history_days * DAY,
        audit=settings.audit_days * DAY,
    )
    histories = CartHistoryStore(database)

    def delete_also(cart_id: int) -> None:
        base.uploads.delete_of_cart(cart_id)
        histories.delete_of_cart(cart_id)

    ended_carts, seals = EndedCartStore(database), SealStore(database)
    clear_carts = ClearCarts(database, ended_carts, jobs, retention.failed, policy.cleared)
    return Sweep(
        MessageSender(unsent_jobs, base.queue),
        LostMessages(unsent_jobs, sqs.jobs, policy.resent) if sqs else LeftByOtherQueue(unsent_jobs, policy.resent),
        DeadLetters(sqs.dead, unsent_jobs, policy.dead_letter_batches, policy.dead_letter_hidden)
        if sqs
        else NoDeadLetters(),
        OverdueCarts(database, survey, jobs, endings, retention.deadline, policy.carts),
        ExpiredBundles(database, survey, endings, retention, policy.carts),
        ExpiredUploads(database, base.uploads, base.manifests, policy.upload_ttl, policy.upload_slack, policy.uploads),
        QueueReconcile(database, SpaceAccountStore(database), jobs, policy.reconcile_every),
        OrphanMultipartUploads(base.bundles, survey, retention.orphan),
        clear_carts,
        EndedShares(base.shares, policy.share_history, policy.shares),
        OldCarts(database, ended_carts, clear_carts, delete_also, retention.history, policy.forgotten),
        SealAudit(seals, policy.audit_unsealed, policy.audit_batch, policy.audit_batches),
        OldAudit(database, seals, RefusalCountStore(database), retention.audit, policy.audit_forgotten, policy.counts),
        ReconcileUsage(database, OwnerUsageStore(database), policy.usage_every, policy.usages),
        OldWorkers(WorkerStateStore(database), policy.worker_history),
        OldNotifications(base.outbox, policy.notified_history, policy.notified),
        SiteWatch(FigureStore(database), SweepTimes(database, base.process), policy.unworked),
    )
