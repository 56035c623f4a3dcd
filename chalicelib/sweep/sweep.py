"""The sweep: the periodic repair of what crashes left behind. Several sweeps at once are harmless."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.errors import CartError, TablesMissing
from chalicelib.job_message import JobMessage
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
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
from chalicelib.sweep.queue_reconcile import QueueReconcile
from chalicelib.sweep.reconcile_usage import ReconcileUsage
from chalicelib.sweep.seal_audit import SealAudit
from chalicelib.sweep.site_watch import SiteWatch

RESENT = "jobs resent"

log = logging.getLogger(__name__)


class SweepIncomplete(Exception):
    """Some repairs failed; the next sweep repeats them. `counts`: of the others, as Sweep.repair returns them."""

    def __init__(self, failed: Sequence[str], counts: Mapping[str, int]) -> None:
        self.counts = counts
        super().__init__(f"These repairs of the sweep failed: {', '.join(failed)}")


@dataclass(frozen=True, slots=True)
class Sweep:
    sender: MessageSender
    lost_messages: LostMessages | LeftByOtherQueue
    dead_letters: DeadLetters | NoDeadLetters
    overdue_carts: OverdueCarts
    expired_bundles: ExpiredBundles
    expired_uploads: ExpiredUploads
    queue_reconcile: QueueReconcile
    orphan_multipart_uploads: OrphanMultipartUploads
    clear_carts: ClearCarts
    ended_shares: EndedShares
    old_carts: OldCarts
    seal_audit: SealAudit
    old_audit: OldAudit
    reconcile_usage: ReconcileUsage
    old_workers: OldWorkers
    old_notifications: OldNotifications
    site_watch: SiteWatch

    def run(self) -> int:
        """As `repair`; returns the number of jobs resent."""
        return self.repair()[RESENT]

    def repair(self) -> dict[str, int]:
        """Run every repair once; return how much each has repaired, by its name.

        A repair that fails does not stop the others. Raises SweepIncomplete at the end if any failed.
        """
        counts.add(metrics.SWEEPS)
        repairs = _Repairs()
        repairs.run(RESENT, lambda: self._send(self.lost_messages.run()))
        repairs.run("dead letters sent again", lambda: self._send(self.dead_letters.run()))
        repairs.run("overdue carts failed", lambda: self._send(self.overdue_carts.run()))
        repairs.run("bundles expired", lambda: self._send(self.expired_bundles.run()))
        repairs.run("carts to clear", lambda: self._send(self.clear_carts.run()))
        repairs.run("old carts to clear", lambda: self._send(self.old_carts.run()))
        repairs.run("ended shares removed", self.ended_shares.run)
        repairs.run("usages corrected", self.reconcile_usage.run)
        repairs.run("expired uploads removed", self.expired_uploads.run)
        repairs.run("old workers forgotten", self.old_workers.run)
        repairs.run("audit records sealed", self.seal_audit.run, logging.DEBUG)
        repairs.run("old audit seals deleted", self.old_audit.run)
        repairs.run("old notifications deleted", self.old_notifications.run)
        # Listing all uploads of the store is slow, so it follows the interval of reconciling, which the database keeps
        # for all sweeps together.
        if repairs.run("reconcile jobs added", lambda: self._send(self.queue_reconcile.run()), logging.DEBUG):
            repairs.run("orphan uploads aborted", self.orphan_multipart_uploads.run)
        repairs.run("sites without a worker", self.site_watch.run, logging.DEBUG)
        if repairs.failed:
            raise SweepIncomplete(repairs.failed, repairs.counts)
        return repairs.counts

    def _send(self, messages: Sequence[JobMessage]) -> int:
        self.sender.send(messages)
        return len(messages)


class _Repairs:
    """Runs repairs. `failed`: the names of those that raised an error; `counts`: what the others repaired."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._waits_for_tables = False
        self.counts: dict[str, int] = {}

    def run(self, name: str, repair: Callable[[], int], level: int = logging.INFO) -> int:
        """The number of things repaired, which is logged at `level` unless it is 0; 0 after an error."""
        try:
            count = repair()
        except TablesMissing as error:  # the site is being set up: nothing is wrong, and nothing to repair
            log.log(logging.DEBUG if self._waits_for_tables else logging.WARNING, "nothing is swept: %s", error)
            self._waits_for_tables = True
            return 0
        except Exception as error:  # one repair's failure must not stop the others
            log.warning("sweep failed (%s): %s", name, error, exc_info=not isinstance(error, CartError))
            self.failed.append(name)
            counts.add(metrics.SWEEP_FAILURES, name)
            return 0
        self.counts[name] = count
        if count:
            counts.add(metrics.SWEEP_REPAIRS, name, by=count)
            log.log(level, "%s: %d", name, count)
        return count
