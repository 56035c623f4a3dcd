"""The sweep: the periodic repair of what crashes left behind. Several sweeps at once are harmless."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.errors import CartError
from chalicelib.job_message import JobMessage
from chalicelib.sweep.dead_letters import DeadLetters
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.lost_messages import LostMessages
from chalicelib.sweep.message_sender import MessageSender
from chalicelib.sweep.orphan_multipart_uploads import OrphanMultipartUploads
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.queue_reconcile import QueueReconcile

log = logging.getLogger(__name__)


class SweepIncomplete(Exception):
    """Some repairs failed; the next sweep repeats them."""


@dataclass(frozen=True, slots=True)
class Sweep:
    sender: MessageSender
    lost_messages: LostMessages
    dead_letters: DeadLetters
    overdue_carts: OverdueCarts
    expired_bundles: ExpiredBundles
    queue_reconcile: QueueReconcile
    orphan_multipart_uploads: OrphanMultipartUploads

    def run(self) -> int:
        """Run every repair once; return the number of jobs resent.

        A repair that fails does not stop the others. Raises SweepIncomplete at the end if any failed.
        """
        repairs = _Repairs()
        resent = repairs.run("jobs resent", lambda: self._send(self.lost_messages.run()))
        repairs.run("carts failed by the dead-letter queue", lambda: self._send(self.dead_letters.run()))
        repairs.run("overdue carts failed", lambda: self._send(self.overdue_carts.run()))
        repairs.run("bundles expired", lambda: self._send(self.expired_bundles.run()))
        # Listing all uploads of the store is slow, so it follows the interval of reconciling, which the database keeps
        # for all sweeps together.
        if repairs.run("reconcile jobs added", lambda: self._send(self.queue_reconcile.run()), logging.DEBUG):
            repairs.run("orphan uploads aborted", self.orphan_multipart_uploads.run)
        if repairs.failed:
            raise SweepIncomplete(f"These repairs of the sweep failed: {', '.join(repairs.failed)}")
        return resent

    def _send(self, messages: Sequence[JobMessage]) -> int:
        self.sender.send(messages)
        return len(messages)


class _Repairs:
    """Runs repairs. `failed`: the names of those that raised an error."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def run(self, name: str, repair: Callable[[], int], level: int = logging.INFO) -> int:
        """The number of things repaired, which is logged at `level` unless it is 0; 0 after an error."""
        try:
            count = repair()
        except Exception as error:  # one repair's failure must not stop the others
            log.warning("sweep failed (%s): %s", name, error, exc_info=not isinstance(error, CartError))
            self.failed.append(name)
            return 0
        if count:
            log.log(level, "%s: %d", name, count)
        return count
