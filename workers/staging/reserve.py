"""Reserves space on the volume for a whole window, before its first file is pulled.

Reservations are made one after the other under the account's lock, the oldest waiting cart first; small windows may
pass within a bound (workers/staging/passing.py). A window that holds its reservation never waits for another's space,
so no two carts ever wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost, NoSpaceAvailable
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.readable_size import distinct_sizes, readable_size
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccount, SpaceAccountStore
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume, allocated_bytes
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.eviction import Evictor
from workers.staging.file_actions import FileActions, decide_actions
from workers.staging.passing import may_pass
from workers.staging.window_work import WindowWork
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFile, StagedFileStore
from workers.stores.windows import WindowStore

#: Seconds until a window that waits for space tries again. Releasing space wakes it earlier.
FALLBACK_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class _NoRoom:
    """There is no room now for `needed` bytes; this attempt freed `freed` of them by eviction."""

    needed: int
    freed: int
    hopeless: bool


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
    ) -> None:
        self._jobs = jobs
        self._windows = windows
        self._account = account
        self._staged_files = staged_files
        self._shared_files = shared_files
        self._volume = volume
        self._evictor = evictor

    def reserve(self, lease: Lease, work: WindowWork) -> FileActions | Defer:
        """Reserve the window's space, or take over the reservation it has; return what to do for each file.

        Returns Defer while others hold the space, or other windows all that its owner may have. Raises NoSpaceAvailable
        when the volume can never hold the window.
        """
        while True:
            lease.check()
            outcome = self._jobs.fenced(lease.job, lambda: self._attempt(lease, work))
            if isinstance(outcome, FileActions):
                _count_files(work, outcome)
                work.set_state(WindowState.RESERVED)
                return outcome
            if isinstance(outcome, _AtLimit):
                return Defer(FALLBACK_WAIT, WaitsFor.LIMIT, outcome.reason)
            capacity = self._volume.capacity()
            if outcome.needed > capacity or outcome.hopeless:
                raise NoSpaceAvailable(f"No Space Available: {_why_no_space(work, outcome.needed, capacity)}")
            if not outcome.freed:
                self._wait_for_space(lease, work)
                return Defer(FALLBACK_WAIT, WaitsFor.SPACE, "the volume is full")

    def _wait_for_space(self, lease: Lease, work: WindowWork) -> None:
        needed = _bytes_of(work)
        self._jobs.fenced(lease.job, lambda: self._windows.wait_for_space(work.cart.id, work.window.number, needed))

    def _attempt(self, lease: Lease, work: WindowWork) -> FileActions | _NoRoom | _AtLimit:
        """One attempt, within a transaction."""
        specs = work.specs()
        account = self._account.lock()
        found = self._staged_files.find(specs)
        actions = decide_actions(lease.job.id, specs.values(), found)
        for spec in actions.ready:
            work.add_checksum(spec.archive_id, found[spec.archive_id].hashes)
        if work.window.state != WindowState.TAKEN:
            self._take_over(lease, work, actions, found)
            return actions
        if reason := self._windows.charges.why_not(work.cart, _bytes_of(work)):
            self._windows.charges.stand_aside(work.cart.id, work.window.number, _bytes_of(work))
            return _AtLimit(reason)
        is_behind = account.waiting_cart is not None and account.waiting_cart < work.cart.id
        passing = _bytes_to_claim(actions, found) if is_behind else 0
        needed = _bytes_to_charge(actions, found)
        no_room = self._pass(work, account, needed, passing) if is_behind else self._make_room(work, account, needed)
        if no_room is not None:
            return no_room
        self._take(lease, work, actions, found, passing)
        return actions

    def _take_over(self, lease: Lease, work: WindowWork, actions: FileActions, found: Mapping[str, StagedFile]) -> None:
        """Continue a reservation that an earlier claim of the job made; its unfinished files are pulled again."""
        self._shared_files.end(work.cart.id)
        self._volume.remove_older_temporaries(lease.claim)
        self._staged_files.claim(lease.job.id, actions.pull, found, pins=0)

    def _pass(self, work: WindowWork, account: SpaceAccount, needed: int, claimed: int) -> _NoRoom | None:
        """Pass the older carts that wait for space; None where that is allowed. Evicts nothing: that is for them."""
        if not claimed:
            return None
        usable = self._volume.usable_now(account.used, account.staged)
        fits = needed <= 0 or account.used + needed <= usable
        ahead = self._windows.ahead_of(work.cart.id)
        if fits and may_pass(claimed, ahead, self._evictor.not_yet_evictable(ahead.since), usable):
            return None
        return _NoRoom(needed, 0, hopeless=False)

    def _make_room(self, work: WindowWork, account: SpaceAccount, needed: int) -> _NoRoom | None:
        """Evict until `needed` bytes fit; None when they do.

        `usable_now` scans `tmp/` under the account's lock: without it, a file staged meanwhile would count twice.
        """
        short = account.used + needed - self._volume.usable_now(account.used, account.staged)
        if needed <= 0 or short <= 0:
            return None
        freed = self._evictor.free(short, work.specs().keys())
        return None if freed >= short else _NoRoom(needed, freed, hopeless=not freed and self._is_hopeless(work))

    def _take(
        self, lease: Lease, work: WindowWork, actions: FileActions, found: Mapping[str, StagedFile], passing: int
    ) -> None:
        self._staged_files.claim(lease.job.id, actions.pull, found, pins=1)
        self._staged_files.pin([spec.archive_id for spec in (*actions.verify, *actions.wait, *actions.ready)])
        key, taken = (work.cart.id, work.window.number), (WindowState.TAKEN,)
        if not self._windows.move(*key, taken, WindowState.RESERVED, waits_since=None, passed_bytes=passing):
            raise LeaseLost
        self._windows.charges.charge(work.cart, work.window.number, _bytes_of(work))

    def _is_hopeless(self, work: WindowWork) -> bool:
        """Whether none of our space will ever be freed: no other window holds any, and nothing can be evicted."""
        if self._staged_files.anything_evictable() or self._volume.temporaries():
            return False
        return not self._windows.others_hold_space(work.cart.id, work.window.number)


def _count_files(work: WindowWork, actions: FileActions) -> None:
    """Once for each window, not again where it takes over its reservation."""
    if work.window.state == WindowState.TAKEN:
        counts.add(metrics.FILES, "volume", by=len(actions.ready) + len(actions.verify))
        counts.add(metrics.FILES, "archive", by=len(actions.pull))


def _bytes_of(work: WindowWork) -> int:
    """What all files of the window take on the volume."""
    return sum(allocated_bytes(spec.size) for spec in work.specs().values())


def _bytes_to_charge(actions: FileActions, found: Mapping[str, StagedFile]) -> int:
    """Bytes to charge beyond what the files to pull are charged already."""
    pull: list[FileSpec] = actions.pull
    held = sum(allocated_bytes(found[spec.archive_id].size) for spec in pull if spec.archive_id in found)
    return sum(allocated_bytes(spec.size) for spec in pull) - held


def _why_no_space(work: WindowWork, needed: int, capacity: int) -> str:
    """`needed`: bytes on the volume. Names the window's largest file."""
    largest = max(work.entries, key=lambda entry: int(entry.size))
    if largest.size > capacity:
        size, room = distinct_sizes(largest.size, capacity)
        return f"file '{largest.path}' ({size}) does not fit the volume ({room})"
    size, room = distinct_sizes(needed, capacity)
    largest_of = f"the largest is '{largest.path}' ({readable_size(largest.size)})"
    if needed > capacity:
        return f"files need {size} at once, the volume holds {room}; {largest_of}"
    return f"{size} are needed ({largest_of}), and the volume ({room}) is filled by something else"


def _bytes_to_claim(actions: FileActions, found: Mapping[str, StagedFile]) -> int:
    """Bytes that the window takes from those that wait: to be charged, or of files that could be evicted until now."""
    idle = [old for old in found.values() if not old.pins]
    pulled = {spec.archive_id for spec in actions.pull}
    replaced = sum(allocated_bytes(old.size) for old in idle if old.archive_id in pulled)
    pinned = sum(allocated_bytes(old.size) for old in idle if old.archive_id not in pulled)
    return max(0, _bytes_to_charge(actions, found)) + replaced + pinned
