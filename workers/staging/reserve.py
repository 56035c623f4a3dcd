"""Reserves space on the volume for a whole window, before its first file is pulled.

Reservations are made one after the other under the account's lock, the oldest waiting cart first. A window that holds
its reservation never waits for another's space, so no two carts ever wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.db.states import WindowState
from chalicelib.errors import LeaseLost, NoSpaceAvailable
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccount, SpaceAccountStore
from workers.files.file_spec import FileSpec
from workers.files.volume import Volume, allocated_bytes
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.eviction import Evictor
from workers.staging.file_actions import FileActions, decide_actions
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

        Returns Defer while others hold the space. Raises NoSpaceAvailable when the volume can never hold the window.
        """
        while True:
            lease.check()
            outcome = self._jobs.fenced(lease.job, lambda: self._attempt(lease, work))
            if isinstance(outcome, FileActions):
                work.set_state(WindowState.RESERVED)
                return outcome
            capacity = self._volume.capacity()
            if outcome.needed > capacity or outcome.hopeless:
                figures = f"{outcome.needed} bytes are needed at once, the volume can hold {capacity}"
                taken = " and is filled by something else" if outcome.needed <= capacity else ""
                raise NoSpaceAvailable(f"No Space Available: {figures}{taken}")
            if not outcome.freed:
                self._wait_for_space(lease, work)
                return Defer(FALLBACK_WAIT, "the volume is full")

    def _wait_for_space(self, lease: Lease, work: WindowWork) -> None:
        self._jobs.fenced(lease.job, lambda: self._windows.wait_for_space(work.cart.id, work.window.number))

    def _attempt(self, lease: Lease, work: WindowWork) -> FileActions | _NoRoom:
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
        no_room = self._make_room(work, account, _bytes_to_charge(actions, found))
        if no_room is not None:
            return no_room
        self._take(lease, work, actions, found)
        return actions

    def _take_over(self, lease: Lease, work: WindowWork, actions: FileActions, found: Mapping[str, StagedFile]) -> None:
        """Continue a reservation that an earlier claim of the job made; its unfinished files are pulled again."""
        self._shared_files.end(work.cart.id)
        self._volume.remove_older_temporaries(lease.claim)
        self._staged_files.claim(lease.job.id, actions.pull, found, pins=0)

    def _make_room(self, work: WindowWork, account: SpaceAccount, needed: int) -> _NoRoom | None:
        """Evict until `needed` bytes fit; None when they do. An older cart that waits for space goes first.

        `usable_now` scans `tmp/` under the account's lock: without it, a file staged meanwhile would count twice.
        """
        short = account.used + needed - self._volume.usable_now(account.used, account.staged)
        waits_behind = account.waiting_cart is not None and account.waiting_cart < work.cart.id
        if needed <= 0 or (short <= 0 and not waits_behind):
            return None
        freed = 0 if waits_behind else self._evictor.free(short, work.specs().keys())
        if freed >= short and not waits_behind:
            return None
        return _NoRoom(needed, freed, hopeless=not freed and not waits_behind and self._is_hopeless(work))

    def _take(self, lease: Lease, work: WindowWork, actions: FileActions, found: Mapping[str, StagedFile]) -> None:
        self._staged_files.claim(lease.job.id, actions.pull, found, pins=1)
        self._staged_files.pin([spec.archive_id for spec in (*actions.verify, *actions.wait, *actions.ready)])
        taken = (WindowState.TAKEN,)
        if not self._windows.move(work.cart.id, work.window.number, taken, WindowState.RESERVED, waits_since=None):
            raise LeaseLost

    def _is_hopeless(self, work: WindowWork) -> bool:
        """Whether none of our space will ever be freed: no other window holds any, and nothing can be evicted."""
        if self._staged_files.anything_evictable() or self._volume.temporaries():
            return False
        return not self._windows.others_hold_space(work.cart.id, work.window.number)


def _bytes_to_charge(actions: FileActions, found: Mapping[str, StagedFile]) -> int:
    """Bytes to charge beyond what the files to pull are charged already."""
    pull: list[FileSpec] = actions.pull
    held = sum(allocated_bytes(found[spec.archive_id].size) for spec in pull if spec.archive_id in found)
    return sum(allocated_bytes(spec.size) for spec in pull) - held
