"""Wakes the windows that wait for space, or for their owner's limit, when either is given back.

The first in line is woken whenever anything was released: it may evict. Of the others, those that fit beside it
together; and if it has to go on waiting, those that may pass it. One that is reserved wakes the next, so nothing polls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.caller import NOBODY
from chalicelib.job_queue import JobQueue
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.waiting_windows import WaitingWindow, WaitingWindowStore
from workers.staging.eviction import Evictor
from workers.staging.free_space import FreeSpace
from workers.staging.passing import PASSING_SHARE, may_pass
from workers.stores.windows import Ahead, WindowStore

AT_ONCE = 8  # windows woken by one release; those that are reserved wake more
AGAIN = 1.0  # seconds until the message of a window that is being tried at this moment


class Waker:
    def __init__(
        self,
        waiting: WaitingWindowStore,
        windows: WindowStore,
        account: SpaceAccountStore,
        evictor: Evictor,
        free_space: FreeSpace,
        queue: JobQueue,
    ) -> None:
        self._waiting = waiting
        self._windows = windows
        self._account = account
        self._evictor = evictor
        self._free_space = free_space
        self._queue = queue

    def wake(self, owner: str) -> None:
        """Something was released, of a cart of this owner."""
        self.wake_owner(owner)
        line = self._waiting.for_space(AT_ONCE)
        if line:
            self._wake(line[:1])
        if len(line) > 1:
            free = self._free_space.recent().usable - self._account.read().used
            if line[0].needed <= free:
                self._wake(_together(line[1:], free - line[0].needed))
            else:
                self.wake_passers()

    def wake_owner(self, owner: str) -> None:
        """Wake the first of an owner's windows that wait for its limit."""
        if owner != NOBODY:
            self._wake(self._waiting.at_limit(1, owner))

    def wake_passers(self) -> None:
        """Wake windows of younger carts that may pass the first in line."""
        first = self._waiting.for_space(1)
        if not first:
            return
        usable = self._free_space.recent().usable
        free = usable - self._account.read().used
        most = min(free, int(usable * PASSING_SHARE))
        passers: list[WaitingWindow] = []
        for window in self._waiting.for_space(AT_ONCE, first[0].cart_id, most) if most > 0 else ():
            ahead = self._windows.ahead_of(window.cart_id)
            taken = sum(passer.needed for passer in passers)
            recent = self._evictor.not_yet_evictable(ahead.since)
            others = Ahead(ahead.largest, ahead.since, ahead.passed + taken)
            if taken + window.needed <= free and may_pass(window.needed, others, recent, usable):
                passers.append(window)
        self._wake(passers)

    def _wake(self, windows: Sequence[WaitingWindow]) -> None:
        held = {window.job_id for window in windows if window.held}
        messages = self._waiting.wake(windows)
        for delay in (0.0, AGAIN):
            if now := [message for message in messages if (message.job_id in held) == bool(delay)]:
                self._queue.send(now, delay)


def _together(line: Iterable[WaitingWindow], free: int) -> list[WaitingWindow]:
    """The first of these windows that fit together into `free` bytes."""
    fitting: list[WaitingWindow] = []
    for window in line:
        free -= window.needed
        if free < 0:
            break
        fitting.append(window)
    return fitting
