"""Reserves space on the volume for a whole window, before its first file is pulled.

Reservations are made one after the other under the account's lock, the oldest waiting cart first; small windows may
pass within a bound (workers/staging/passing.py). A window that holds its reservation never waits for another's space,
so no two carts ever wait for each other. The disk is looked at before the transaction, and what it evicts is unlinked
after it, before the window pulls its first file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost, NoSpaceAvailable
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccount, SpaceAccountStore
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Park
from workers.staging.eviction import Evictor
from workers.staging.file_actions import FileActions, decide_actions
from workers.staging.free_space import FreeSpace, Room
from workers.staging.passing import may_pass
from workers.staging.waking import Waker
from workers.staging.window_bytes import bytes_of, bytes_to_charge, bytes_to_claim, count_files, why_no_space
from workers.staging.window_work import WindowWork
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFile, StagedFileStore
from workers.stores.windows import WindowStore

#: Seconds until a window that waits tries again if nobody wakes it.
FALLBACK_WAIT = 900.0
SOON = 0.1  # seconds after the first file that may not be evicted yet may be
FULL = "the volume is full"


@dataclass(frozen=True, slots=True)
class _Reserved:
    """`behind`: older carts wait."""

    actions: FileActions
    behind: bool = False


@dataclass(frozen=True, slots=True)
class _NoRoom:
    """There is no room now for `needed` bytes, even with what this attempt has marked to be evicted.

    `behind`: an older cart waits, too. `hopeless`: none of our space will ever be freed.
    """

    needed: int
    behind: bool
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class _AtLimit:
    """The owner has as much being staged as it may have."""

    reason: str


class Reserver:
    def __init__(
        self,
        jobs: JobStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        staged_files: StagedFileStore,
        shared_files: SharedFileStore,
        volume: Volume,
        evictor: Evictor,
        free_space: FreeSpace,
        waker: Waker,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: the database's, in seconds."""
        self._jobs = jobs
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._shared_files = shared_files
        self._volume = volume
        self._evictor = evictor
        self._free_space = free_space
        self._waker = waker
        self._clock = clock

    def reserve(self, lease: Lease, work: WindowWork) -> FileActions | Defer | Park:
        """Reserve the window's space, or take over the reservation it has; return what to do for each file.

        Returns Park while others hold the space, or other windows all that its owner may have; Defer if some space is
        free at a known time. Raises NoSpaceAvailable when the volume can never hold the window.
        """
        if work.window.state != WindowState.TAKEN:
            self._volume.remove_older_temporaries(lease.claim)
        room, is_new, was_hopeless = self._free_space.recent(), False, False
        waited = lease.job.waits_for == WaitsFor.SPACE
        while True:
            lease.check()
            outcome = self._jobs.fenced(lease.job, partial(self._attempt, lease, work, room))
            evicted = self._evictor.clear(lease)  # what this attempt has marked, or an earlier claim of the job
            if isinstance(outcome, _Reserved):
                count_files(work, outcome.actions)
                work.set_state(WindowState.RESERVED)
                self._wake_next(lease, bool(waited or evicted) and not outcome.behind)
                return outcome.actions
            waited = waited or isinstance(outcome, _NoRoom)
            is_hopeless = isinstance(outcome, _NoRoom) and outcome.hopeless
            if evicted:
                is_new = False
            elif is_new and (was_hopeless or not is_hopeless):  # else what was on the disk may just have gone
                return self._wait(lease, work, outcome, room)
            else:
                # Once more: the last look may be too old, and what was released before our wait was recorded did not
                # wake us.
                room, is_new = self._free_space.measured(), True
            was_hopeless = is_hopeless

    def _wake_next(self, lease: Lease, held_up_others: bool) -> None:
        """After a wait, which is counted: those behind may fit beside it."""
        job = lease.job
        if job.waits_since is not None and job.waits_for in (WaitsFor.SPACE, WaitsFor.LIMIT):
            counts.add(metrics.WAITED, job.waits_for, by=max(0.0, self._clock() - job.waits_since))
        if held_up_others:
            self._waker.wake(lease.owner)
        elif job.waits_for == WaitsFor.LIMIT:
            self._waker.wake_owner(lease.owner)

    def _wait(self, lease: Lease, work: WindowWork, outcome: _NoRoom | _AtLimit, room: Room) -> Defer | Park:
        number = work.window.number
        if isinstance(outcome, _AtLimit):
            return Park(FALLBACK_WAIT, WaitsFor.LIMIT, outcome.reason, number)
        if outcome.hopeless or outcome.needed > room.capacity:
            raise NoSpaceAvailable(f"No Space Available: {why_no_space(work, outcome.needed, room.capacity)}")
        if lease.job.waits_for == WaitsFor.LIMIT:
            self._waker.wake_owner(lease.owner)  # it no longer holds up its owner's younger carts
        if outcome.behind:
            return Park(FALLBACK_WAIT, WaitsFor.SPACE, FULL, number)
        self._waker.wake_passers()
        if until := self._evictor.seconds_until_evictable():
            return Defer(min(FALLBACK_WAIT, until + SOON), WaitsFor.SPACE, FULL)
        return Park(FALLBACK_WAIT, WaitsFor.SPACE, FULL, number)

    def _attempt(self, lease: Lease, work: WindowWork, room: Room) -> _Reserved | _NoRoom | _AtLimit:
        """One attempt, within a transaction. What the window has to wait for is recorded in it."""
        specs = work.specs()
        size = bytes_of(specs)
        account = self._account.lock()
        found = self._staged_files.find(specs)
        actions = decide_actions(lease.job.id, specs.values(), found)
        for spec in actions.ready:
            work.add_checksum(spec.archive_id, found[spec.archive_id].hashes)
        if work.window.state != WindowState.TAKEN:
            self._shared_files.end(work.cart.id)
            self._staged_files.claim(lease.job.id, actions.pull, found, pins=0)
            return _Reserved(actions)
        if reason := self._windows.charges.why_not(work.cart, size):
            self._windows.charges.stand_aside(work.cart.id, work.window.number, size)
            return _AtLimit(reason)
        is_behind = account.waiting_cart is not None and account.waiting_cart < work.cart.id
        passing = bytes_to_claim(actions, found) if is_behind else 0
        needed = bytes_to_charge(actions, found)
        if is_behind:
            no_room = self._pass(work, account, room, needed, passing)
        else:
            no_room = self._make_room(lease, work, account, room, needed)
        if no_room is None:
            self._take(lease, work, actions, found, passing, size)
            return _Reserved(actions, is_behind)
        if needed <= room.capacity:
            self._windows.wait_for_space(work.cart.id, work.window.number, size)
        return no_room

    def _pass(self, work: WindowWork, account: SpaceAccount, room: Room, needed: int, claimed: int) -> _NoRoom | None:
        """Pass the older carts that wait for space; None where that is allowed. Evicts nothing: that is for them."""
        if not claimed:
            return None
        fits = needed <= 0 or account.used + needed <= room.usable
        ahead = self._windows.ahead_of(work.cart.id)
        if fits and may_pass(claimed, ahead, self._evictor.not_yet_evictable(ahead.since), room.usable):
            return None
        return _NoRoom(needed, behind=True)

    def _make_room(
        self, lease: Lease, work: WindowWork, account: SpaceAccount, room: Room, needed: int
    ) -> _NoRoom | None:
        """None if `needed` bytes fit, now or once the files are unlinked that this marks for them.

        What others are evicting is for them: it makes no room, and is no reason to evict more.
        """
        free = max(0, room.usable - account.used)
        if needed <= free:
            return None
        if needed > room.capacity:
            return _NoRoom(needed, behind=False)
        overdrawn = max(0, account.used - self._evictor.in_flight() - room.usable)
        short = needed - free + overdrawn
        marked = self._evictor.mark(lease.job.id, short, work.specs().keys())
        if marked >= short:
            return None
        return _NoRoom(needed, behind=False, hopeless=not marked and self._is_hopeless(work, room))

    def _take(
        self,
        lease: Lease,
        work: WindowWork,
        actions: FileActions,
        found: Mapping[str, StagedFile],
        passing: int,
        size: int,
    ) -> None:
        self._staged_files.claim(lease.job.id, actions.pull, found, pins=1)
        self._staged_files.pin([spec.archive_id for spec in (*actions.verify, *actions.wait, *actions.ready)])
        key, taken = (work.cart.id, work.window.number), (WindowState.TAKEN,)
        if not self._windows.move(*key, taken, WindowState.RESERVED, waits_since=None, passed_bytes=passing):
            raise LeaseLost
        self._windows.charges.charge(work.cart, work.window.number, size)

    def _is_hopeless(self, work: WindowWork, room: Room) -> bool:
        """Whether none of our space will ever be freed: no other window holds any, and nothing can be evicted."""
        if self._evictor.anything_evictable() or room.has_temporaries:
            return False
        return not self._windows.others_hold_space(work.cart.id, work.window.number)
