"""The sweep: the periodic repair of what crashes left. Two at once are harmless, and what has ended costs nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chalicelib.aws.bundle_store import BundleStore, cart_of
from chalicelib.aws.job_queue import BATCH, FAULTS, JobQueue, Message
from chalicelib.errors import StoreUnavailable
from chalicelib.stores import jobs
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobMessage, JobStore
from chalicelib.sweep.lost_messages import ResendStore
from chalicelib.sweep.overdue_carts import Endings

RECONCILE_EVERY = 45.0  # seconds
SWEEP_BATCH = 1000  # jobs sent again in one sweep
DEAD_BATCHES = 10  # receives from the dead letters in one sweep
DEAD_HIDDEN = 60  # seconds a dead letter is hidden from other sweeps, or left to newer ones

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are kept: `ttl` seconds after its last use a bundle, none within `safe` seconds, `limit` bytes
    of bundles in all (0: any); an unfinished cart `deadline` seconds; an upload no cart knows `orphan` seconds.
    """

    ttl: float
    safe: float
    limit: int
    deadline: float
    orphan: float


class Sweep:
    def __init__(
        self,
        cart_store: CartStore,
        endings: Endings,
        job_store: JobStore,
        resends: ResendStore,
        queue: JobQueue,
        dead_letters: JobQueue,
        bundles: BundleStore,
        keep: RetentionPolicy,
    ) -> None:
        self._carts = cart_store
        self._endings = endings
        self._jobs = job_store
        self._resends = resends
        self._queue = queue
        self._dead_letters = dead_letters
        self._bundles = bundles
        self._keep = keep

    def sweep(self) -> int:
        """Send again what stalled, end what never will; how many jobs were sent."""
        hints = self._resends.due(SWEEP_BATCH, self._queue.messages)
        ended = [*self._bury(), *self._endings.fail_overdue(self._keep.deadline)]
        expired = self._carts.expire(self._keep.ttl, self._keep.safe, self._keep.limit)
        reconcile = self._jobs.ask_to_reconcile(RECONCILE_EVERY)
        unsent = self._queue.send([*hints, *ended, *expired, *reconcile])
        if unsent:
            self._resends.unsent(unsent)
        if reconcile:
            self._abort_orphans()
        return len(hints)

    def _bury(self) -> list[JobMessage]:
        """End the carts whose jobs the queue gave up, delivered again and again without any worker taking them."""
        hints: list[JobMessage] = []
        try:
            for _ in range(DEAD_BATCHES):
                letters = self._dead_letters.receive(BATCH, 0, DEAD_HIDDEN)
                for letter in letters:
                    hints += self._read(letter)
                if not letters:
                    break
        except FAULTS as error:
            log.info("no dead letters: %s", error)
        return hints

    def _read(self, letter: Message) -> list[JobMessage]:
        try:
            told = jobs.decode(letter.body)
        except LookupError as error:
            log.warning("a dead letter is left to a newer sweep: %s", error)
            return []
        hints = self._endings.give_up(*told) if told else []
        log.warning("dead letter %r: %s", letter.body[:200], "its cart is ended" if hints else "of no job that waits")
        self._dead_letters.delete(letter.receipt)
        return hints

    def _abort_orphans(self) -> None:
        """Abort uploads that were begun and never recorded: their worker died in between."""
        try:
            begun = self._bundles.begun(self._keep.orphan)
            known = self._endings.uploads(cart_of(key) for key, _ in begun)
            for key, upload_id in begun:
                if upload_id not in known:
                    self._bundles.delete(key, upload_id, bundle=False)
                    log.info("aborted an upload of %s that no cart knows", key)
        except StoreUnavailable as error:
            log.warning("orphan uploads are left to the next sweep: %s", error)
