"""Space on the volume, reserved for a window whole before its first file is pulled.

Reservations are made one after the other under the account's lock, the oldest waiting cart first. A window that holds
its reservation never waits for another's space, so no two carts ever wait for each other.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chalicelib.errors import LeaseLost, NoSpaceAvailable, Retry
from chalicelib.job_message import JobMessage, group_of
from workers.files.volume import charge
from workers.runtime.lease import Lease
from workers.staging.file_actions import FileActions, StagedFile, sort
from workers.staging.parts import Parts, WindowWork
from workers.stores.windows import DROPPED, RESERVED, STAGED, TAKEN

WAIT = 5.0  # seconds; whoever frees space calls those who wait, so this is the fallback
CALLED = 4  # waiting windows that are called when space is freed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Short:
    """There is no room now for the bytes needed; `freed` by eviction in this try."""

    needed: int
    freed: int
    hopeless: bool


class Reserver:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def reserve(self, lease: Lease, work: WindowWork) -> FileActions:
        """Reserve the window, or take up its reservation; what is to be done for each of its files.

        Raises Retry while others hold the space, NoSpaceAvailable when the volume can never hold it.
        """
        while True:
            lease.check()
            outcome = self._parts.jobs.fenced(lease.job, lambda: self._try(lease, work))
            if isinstance(outcome, FileActions):
                return outcome
            capacity = self._parts.volume.capacity()
            if outcome.needed > capacity or outcome.hopeless:
                figures = f"{outcome.needed} bytes are needed at once, the volume can hold {capacity}"
                taken = " and is filled by something else" if outcome.needed <= capacity else ""
                raise NoSpaceAvailable(f"No Space Available: {figures}{taken}")
            if not outcome.freed:
                self._parts.windows.wait_for_space(work.cart.id, work.window.number)
                raise Retry(WAIT, "the volume is full")

    def release(self, work: WindowWork) -> None:
        """Undo what a window holds on its files, within the caller's transaction; they stay in the cache."""
        self._parts.catalogue.unpin(work.wanted())

    def call_waiting(self) -> None:
        """Send the jobs that have waited longest for space, now that there may be some."""
        waiting = self._parts.windows.waiting_jobs(CALLED)
        self._parts.queue.send([JobMessage(job_id, token, group_of(cart_id)) for job_id, token, cart_id in waiting])

    def release_all(self, cart_id: int) -> None:
        """Undo what every window of a cart holds, within the caller's transaction."""
        cart = self._parts.carts.get(cart_id)
        self._parts.catalogue.lock()
        for window in self._parts.windows.in_state(cart_id, TAKEN, RESERVED, STAGED):
            held = self._parts.windows.move(cart_id, window.number, (RESERVED, STAGED), DROPPED, waits_since=None)
            if held:
                wanted = WindowWork(
                    cart, window, self._parts.entries.page(cart_id, window.first, window.files)
                ).wanted()
                self._parts.catalogue.unpin(wanted)
                self._parts.catalogue.forget_unstaged(wanted, self._parts.volume.evict)
            else:
                self._parts.windows.move(cart_id, window.number, (TAKEN,), DROPPED, waits_since=None)

    def _try(self, lease: Lease, work: WindowWork) -> FileActions | Short:
        catalogue, wanted = self._parts.catalogue, work.wanted()
        account = catalogue.lock()
        known = catalogue.known(wanted)
        todo = sort(lease.job.id, wanted.values(), known)
        for want in todo.ready:
            work.learn(want.archive_id, known[want.archive_id].hashes)
        if work.window.state != TAKEN:
            self._parts.shares.close(work.cart.id)  # what an earlier holder shared is this one's own again
            self._parts.volume.drop_older(lease.owner)  # it is pulled anew within the same reservation
            catalogue.claim(lease.job.id, todo.pull, known, pins=0)
            return todo
        needed = _needed(todo, known)
        bound = self._parts.volume.bound(account.used, account.staged)
        short = account.used + needed - bound
        waits_behind = account.waiting_cart is not None and account.waiting_cart < work.cart.id
        if needed > 0 and (short > 0 or waits_behind):
            freed = 0 if waits_behind else self._evict(short, set(wanted))
            if freed < short or waits_behind:
                return Short(needed, freed, self._hopeless(work, freed, waits_behind))
        self._take(lease, work, todo, known)
        return todo

    def _take(self, lease: Lease, work: WindowWork, todo: FileActions, known: dict[str, StagedFile]) -> None:
        self._parts.catalogue.claim(lease.job.id, todo.pull, known, pins=1)
        self._parts.catalogue.pin([want.archive_id for want in (*todo.hash, *todo.wait, *todo.ready)])
        if not self._parts.windows.move(work.cart.id, work.window.number, (TAKEN,), RESERVED, waits_since=None):
            raise LeaseLost

    def _evict(self, needed: int, kept: set[str]) -> int:
        return self._parts.catalogue.evict(needed, self._parts.settings.lru_buffer_time, self._parts.volume.evict, kept)

    def _hopeless(self, work: WindowWork, freed: int, waits_behind: bool) -> bool:
        """Whether nothing of ours will ever be freed: no other window holds space, and nothing can be evicted."""
        if freed or waits_behind or self._parts.catalogue.anything_evictable() or self._parts.volume.temporaries():
            return False
        return not self._parts.windows.others_reserved(work.cart.id, work.window.number)


def _needed(todo: FileActions, known: dict[str, StagedFile]) -> int:
    """Bytes to be charged beyond what these files are charged already."""
    held = sum(charge(known[want.archive_id].size) for want in todo.pull if want.archive_id in known)
    return sum(charge(want.size) for want in todo.pull) - held
