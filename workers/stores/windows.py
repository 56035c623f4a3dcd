"""The windows of a cart: the only writer of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs, Windows
from chalicelib.db.states import WindowState
from chalicelib.job_message import JobMessage, group_of
from chalicelib.stores.jobs import JobKind
from workers.files import crc64nvme


@dataclass(frozen=True, slots=True)
class Window:
    """A run of `files` entries from position `first`: `length` bytes of the bundle, from part `first_part` on.

    `counted_files` and `counted_bytes`: how much of it its cart has counted as staged.
    """

    number: int
    first: int
    files: int
    length: int
    first_part: int
    state: str
    counted_files: int = 0
    counted_bytes: int = 0


_PLANNED = (Windows.number, Windows.first, Windows.files, Windows.length, Windows.first_part, Windows.state)
_COLUMNS = (*_PLANNED, Windows.counted_files, Windows.counted_bytes)


class WindowStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def insert(self, cart_id: int, windows: Sequence[Window]) -> None:
        """Insert the cart's windows, within the caller's transaction."""
        fields = [Windows.cart_id, *_PLANNED]
        for batch in chunks(windows):
            rows = [(cart_id, w.number, w.first, w.files, w.length, w.first_part, str(w.state)) for w in batch]
            Windows.insert_from(self._db.values(rows), fields).execute(self._db.peewee)

    def get(self, cart_id: int, number: int) -> Window | None:
        query = Windows.select(*_COLUMNS).where(_is(cart_id, number))
        with self._db.session() as db:
            row = query.tuples().first(db)
        return Window(*row) if row else None

    def in_state(self, cart_id: int, *states: WindowState) -> list[Window]:
        query = Windows.select(*_COLUMNS).where(Windows.cart_id == cart_id, Windows.state.in_(states))
        with self._db.session() as db:
            return [Window(*row) for row in query.order_by(Windows.number).tuples().execute(db)]

    def move(self, cart_id: int, number: int, before: Sequence[WindowState], after: WindowState, **values: Any) -> bool:
        """Change a window's state by a guarded UPDATE; False when it was in none of the states `before`.

        `values`: further columns to set.
        """
        query = Windows.update(state=after, **values).where(_is(cart_id, number), Windows.state.in_(before))
        return bool(query.execute(self._db.peewee))

    def take(self, cart_id: int, limit: int) -> list[int]:
        """Take up to `limit` windows whose files are online, within the caller's transaction; return their numbers."""
        online = (Windows.cart_id == cart_id) & (Windows.state == WindowState.ONLINE)
        query = Windows.select(Windows.number).where(online).order_by(Windows.number).limit(limit)
        numbers = [row[0] for row in query.tuples().execute(self._db.peewee)]
        return [n for n in numbers if self.move(cart_id, n, (WindowState.ONLINE,), WindowState.TAKEN)]

    def wait_for_space(self, cart_id: int, number: int) -> None:
        """Record since when a taken window waits for space, within the caller's transaction.

        Younger carts wait behind it, so a window that was dropped meanwhile must not be recorded.
        """
        taken = _is(cart_id, number) & (Windows.state == WindowState.TAKEN)
        query = Windows.update(waits_since=self._db.now).where(taken, Windows.waits_since.is_null())
        query.execute(self._db.peewee)

    def longest_waiting(self, limit: int) -> list[JobMessage]:
        """Messages for the jobs of up to `limit` windows that wait for space, oldest cart first."""
        same = (Jobs.cart_id == Windows.cart_id) & (Jobs.window == Windows.number) & (Jobs.kind == JobKind.WINDOW)
        query = Windows.select(Jobs.id, Jobs.token, Jobs.cart_id).join(Jobs, on=same)
        waiting = query.where(Windows.waits_since.is_null(False)).order_by(Windows.cart_id, Windows.number)
        with self._db.session() as db:
            rows = waiting.limit(limit).tuples().execute(db)
            return [JobMessage(job_id, token, group_of(cart_id)) for job_id, token, cart_id in rows]

    def others_hold_space(self, cart_id: int, number: int) -> bool:
        """Whether any other window holds a reservation."""
        other = (Windows.cart_id != cart_id) | (Windows.number != number)
        holding = Windows.state.in_((WindowState.RESERVED, WindowState.STAGED))
        query = Windows.select(Windows.number).where(holding, other)
        return query.limit(1).tuples().first(self._db.peewee) is not None

    def set_counted(self, cart_id: int, number: int, files: int, size: int) -> None:
        """Record how much of a window its cart has counted as staged, within the caller's transaction."""
        Windows.update(counted_files=files, counted_bytes=size).where(_is(cart_id, number)).execute(self._db.peewee)

    def checksums(self, cart_id: int) -> list[tuple[int, int]]:
        """(CRC64NVME, length in bytes) of every window, in order. All windows must be done."""
        query = Windows.select(Windows.checksum, Windows.length).where(Windows.cart_id == cart_id)
        with self._db.session() as db:
            rows = query.order_by(Windows.number).tuples().execute(db)
            return [(crc64nvme.from_hex(value), length) for value, length in rows]

    def delete_all(self, cart_id: int) -> None:
        """Delete the cart's windows, within the caller's transaction."""
        Windows.delete().where(Windows.cart_id == cart_id).execute(self._db.peewee)


def _is(cart_id: int, number: int) -> Any:
    return (Windows.cart_id == cart_id) & (Windows.number == number)
