"""Double of chalicelib.stores.waiting_windows.WaitingWindowStore."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.db.states import WindowState
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.waiting_windows import UNKNOWN, WaitingWindow
from tests.doubles.database import MemoryDatabase, WindowRow


class MemoryWaitingWindowStore:
    def __init__(self, database: MemoryDatabase, lease: float) -> None:
        self._db = database
        self._lease = lease

    def for_space(self, limit: int, after: int = 0, most: int | None = None) -> list[WaitingWindow]:
        waiting = [window for row, window in self._waiting() if row.waits_since is not None and window.cart_id > after]
        if most is not None:
            waiting = [window for window in waiting if window.parked and window.needed <= most]
        return waiting[:limit]

    def at_limit(self, limit: int, owner: str | None = None) -> list[WaitingWindow]:
        waiting = [window for row, window in self._waiting() if row.waits_since is None and row.waits_for is not None]
        return [window for window in waiting if owner in (None, window.owner)][:limit]

    def wake(self, windows: Iterable[WaitingWindow]) -> list[JobMessage]:
        woken = [window for window in windows if window.parked or window.held]
        jobs, now = self._db.tables.jobs, self._db.now
        for window in woken:
            row = replace(jobs[window.job_id], due_at=now)
            free = row.lease_until <= now
            jobs[row.id] = replace(row, has_message=True, next_send_at=now + self._lease) if free else row
        return [JobMessage(window.job_id, window.token, group_of(window.cart_id)) for window in woken]

    def _waiting(self) -> list[tuple[WindowRow, WaitingWindow]]:
        """Taken windows and their jobs, the oldest cart first."""
        windows, carts, now = self._db.tables.windows, self._db.tables.carts, self._db.now
        found = []
        for job in self._db.tables.jobs.values():
            row = windows.get((job.cart_id, job.window)) if job.kind == JobKind.WINDOW else None
            if row is None or row.window.state != WindowState.TAKEN:
                continue
            held = job.lease_until > now
            needed = UNKNOWN if row.waits_for is None else row.waits_for
            owner, parked = carts[job.cart_id].owner, job.due_at > now and not held
            found.append((row, WaitingWindow(job.cart_id, owner, needed, job.id, job.token, held, parked)))
        return sorted(found, key=lambda pair: (pair[1].cart_id, pair[0].window.number))
