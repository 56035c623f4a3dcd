"""The windows that wait for space, or for their owner's limit, and how their parked jobs are woken.

A waiting window's job is parked for minutes. The job that frees what it waits for makes it due; the sweep does so for
the first of each line, in case that was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs, Windows
from chalicelib.db.statement import Statement, slot
from chalicelib.db.states import WindowState
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.job_row import JobKind

#: What a window waits for that an earlier release marked as waiting: so much that none may pass it.
UNKNOWN = 1 << 62


@dataclass(frozen=True, slots=True)
class WaitingWindow:
    """`needed`: bytes of all its files. `held`: a worker tries it at this moment. `parked`: nobody will soon."""

    cart_id: int
    owner: str
    needed: int
    job_id: int
    token: int
    held: bool
    parked: bool


class WaitingWindowStore:
    def __init__(self, database: Database, lease: float) -> None:
        """`lease`: seconds."""
        self._db = database
        self._lease = lease

    def for_space(self, limit: int, after: int = 0, most: int | None = None) -> list[WaitingWindow]:
        """Up to `limit` windows that wait for space, the oldest cart first.

        `after`: only of carts younger than this one; `most`: only parked ones that wait for no more bytes.
        """
        if most is None:
            return [_window(*row) for row in _FOR_SPACE.run(self._db, after=after, limit=limit).fetchall()]
        parked = (Jobs.lease_until <= self._db.now) & (Jobs.due_at > self._db.now)
        return self._find(_behind(after) & (Windows.waits_for <= most) & parked, limit)

    def at_limit(self, limit: int, owner: str | None = None) -> list[WaitingWindow]:
        """Up to `limit` windows that wait for their owner's limit, of this owner or of all; the oldest cart first."""
        which: Any = Windows.waits_since.is_null() & Windows.waits_for.is_null(False)
        return self._find(which if owner is None else which & (Carts.owner == owner), limit)

    def wake(self, windows: Iterable[WaitingWindow]) -> list[JobMessage]:
        """Make their jobs due now; return the messages to send. One that is held is due as soon as it is parked."""
        woken = [window for window in windows if window.parked or window.held]
        if not woken:
            return []
        free, now = Jobs.lease_until <= self._db.now, self._db.now
        ours = Jobs.id.in_([window.job_id for window in woken])
        due = {"ready": 1, "has_message": 1, "sends": 0, "next_send_at": now + self._lease}
        with self._db.writing() as db:
            if any(window.held for window in woken):
                Jobs.update(due_at=now).where(ours, ~free).execute(db)
            Jobs.update(due_at=now, **due).where(ours, free, Jobs.due_at > now).execute(db)
        return [JobMessage(window.job_id, window.token, group_of(window.cart_id)) for window in woken]

    def _find(self, which: Any, limit: int) -> list[WaitingWindow]:
        with self._db.session() as db:
            return [_window(*row) for row in _waiting(self._db, which).limit(limit).tuples().execute(db)]


def _waiting(database: Database, which: Any) -> Any:
    """The windows and their jobs, the oldest cart first."""
    now = database.now
    job = (Jobs.cart_id == Windows.cart_id) & (Jobs.window == Windows.number) & (Jobs.kind == JobKind.WINDOW)
    held, later = Jobs.lease_until > now, Jobs.due_at > now
    columns = (Windows.cart_id, Carts.owner, Windows.waits_for, Jobs.id, Jobs.token, held, later)
    query = Windows.select(*columns).join(Jobs, on=job).join(Carts, on=Carts.id == Windows.cart_id)
    return query.where(Windows.state == WindowState.TAKEN, which).order_by(Windows.cart_id, Windows.number)


def _behind(after: Any) -> Any:
    return Windows.waits_since.is_null(False) & (Windows.cart_id > after)


_FOR_SPACE = Statement(lambda database: _waiting(database, _behind(slot("after"))).limit(slot("limit")))


def _window(
    cart_id: int, owner: str, needed: int | None, job_id: int, token: int, held: int, later: int
) -> WaitingWindow:
    bytes_needed = UNKNOWN if needed is None else needed
    return WaitingWindow(cart_id, owner, bytes_needed, job_id, token, bool(held), bool(later and not held))
