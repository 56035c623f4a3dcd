"""The sweep: the periodic repair of what crashes left behind. Several sweeps at once are harmless."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.sweep.dead_letters import DeadLetters
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.lost_messages import LostMessages
from chalicelib.sweep.orphan_multipart_uploads import OrphanMultipartUploads
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.queue_reconcile import QueueReconcile


@dataclass(frozen=True, slots=True)
class Sweep:
    lost_messages: LostMessages
    dead_letters: DeadLetters
    overdue_carts: OverdueCarts
    expired_bundles: ExpiredBundles
    queue_reconcile: QueueReconcile
    orphan_multipart_uploads: OrphanMultipartUploads

    def run(self) -> int:
        """Run every repair once; the number of jobs sent again."""
        lost = self.lost_messages.run()
        dead = self.dead_letters.run()
        overdue = self.overdue_carts.run()
        expired = self.expired_bundles.run()
        reconcile = self.queue_reconcile.run()
        self.lost_messages.send([*lost, *dead, *overdue, *expired, *reconcile])
        if reconcile:  # as rarely: it lists all uploads of the store
            self.orphan_multipart_uploads.run()
        return len(lost)
