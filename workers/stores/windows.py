"""The windows of a cart: the only writer of their rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import peewee as pw
from peewee import fn

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Windows
from chalicelib.db.statement import RowsStatement, Statement, slot
from chalicelib.db.states import WindowState
from chalicelib.stores.waiting_windows import UNKNOWN
from workers.files import crc64nvme
from workers.stores.window_charges import WindowCharges


@dataclass(frozen=True, slots=True)
class Window:
    """A run of `files` entries from position `first`: `length` bytes of the bundle, from part `first_part` on.

    `counted_files` and `counted_bytes`: how much of it its cart has counted as staged. The cart has also counted
    `pulling_bytes` of files that are not whole yet, and `uploaded_bytes` in the store.
    """

    number: int
    first: int
    files: int
    length: int
    first_part: int
    state: str
    counted_files: int = 0
    counted_bytes: int = 0
    pulling_bytes: int = 0
    uploaded_bytes: int = 0

    def counted(self) -> tuple[int, int, int]:
        """Files, their bytes, and bytes of files that are not whole yet."""
        return self.counted_files, self.counted_bytes, self.pulling_bytes


class Counted(NamedTuple):
    """What a cart has counted of a window's files; `counted_map`: which of them, as counted_files.counted_map."""

    counted_files: int
    counted_bytes: int
    pulling_bytes: int
    counted_map: str | None


class SumsPage(NamedTuple):
    """The checksums of one window's files: `length` bytes of the bundle's checksum file."""

    number: int
    first: int
    files: int
    length: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """The windows of older carts that wait for space.

    `largest`: most bytes that one of them waits for; `since`: when the first began. `passed`: bytes held by windows
    that were reserved while an older cart waited.
    """

    largest: int
    since: float
    passed: int


_PLANNED = (Windows.number, Windows.first, Windows.files, Windows.length, Windows.first_part, Windows.state)
_COUNTED = (Windows.counted_files, Windows.counted_bytes, Windows.pulling_bytes, Windows.uploaded_bytes)
_COLUMNS = (*_PLANNED, *_COUNTED)


_INSERT = RowsStatement(lambda _, rows: Windows.insert_from(rows, [Windows.cart_id, *_PLANNED]))


@functools.cache
def _move(before: tuple[WindowState, ...], columns: tuple[str, ...]) -> Statement:
    """From one of these states to another, with these columns set."""
    changes = {name: slot(name) for name in columns}
    which = (_is(slot("cart_id"), slot("window")), Windows.state.in_(before))
    return Statement(lambda _: Windows.update(state=slot("after"), **changes).where(*which))


class WindowStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self.charges = WindowCharges(database)

    def insert(self, cart_id: int, windows: Sequence[Window]) -> None:
        """Insert the cart's windows, within the caller's transaction."""
        for batch in chunks(windows):
            rows = [(cart_id, w.number, w.first, w.files, w.length, w.first_part, str(w.state)) for w in batch]
            _INSERT.run(self._db, rows)

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
        statement = _move(tuple(before), tuple(sorted(values)))
        return bool(statement.run(self._db, cart_id=cart_id, window=number, after=after, **values).rowcount)

    def take(self, cart_id: int, limit: int) -> list[int]:
        """Take up to `limit` windows whose files are online, within the caller's transaction; return their numbers."""
        online = (Windows.cart_id == cart_id) & (Windows.state == WindowState.ONLINE)
        query = Windows.select(Windows.number).where(online).order_by(Windows.number).limit(limit)
        numbers = [row[0] for row in query.tuples().execute(self._db.peewee)]
        return [n for n in numbers if self.move(cart_id, n, (WindowState.ONLINE,), WindowState.TAKEN)]

    def wait_for_space(self, cart_id: int, number: int, needed: int) -> None:
        """Record since when a taken window waits for space, and for how many bytes, within the caller's transaction.

        Younger carts wait behind it, so a window that was dropped meanwhile must not be recorded.
        """
        taken = _is(cart_id, number) & (Windows.state == WindowState.TAKEN)
        since = pw.fn.COALESCE(Windows.waits_since, self._db.now)
        Windows.update(waits_since=since, waits_for=needed).where(taken).execute(self._db.peewee)

    def ahead_of(self, cart_id: int) -> Ahead:
        """The windows of older carts that wait for space."""
        waiting = (Windows.state == WindowState.TAKEN) & Windows.waits_since.is_null(False)
        largest = pw.fn.MAX(pw.fn.COALESCE(Windows.waits_for, UNKNOWN))
        query = Windows.select(largest, pw.fn.MIN(Windows.waits_since)).where(waiting, Windows.cart_id < cart_id)
        holding = Windows.state.in_((WindowState.RESERVED, WindowState.STAGED))
        passed = Windows.select(pw.fn.SUM(Windows.passed_bytes)).where(holding)
        with self._db.session() as db:
            needed, since = query.tuples().first(db)
            return Ahead(int(needed or 0), since or 0.0, int(passed.scalar(db) or 0))

    def others_hold_space(self, cart_id: int, number: int) -> bool:
        """Whether any other window holds a reservation."""
        other = (Windows.cart_id != cart_id) | (Windows.number != number)
        holding = Windows.state.in_((WindowState.RESERVED, WindowState.STAGED))
        query = Windows.select(Windows.number).where(holding, other)
        return query.limit(1).tuples().first(self._db.peewee) is not None

    def set_counted(self, cart_id: int, number: int, counted: Counted) -> None:
        """Record how much of a window its cart has counted as staged, within the caller's transaction."""
        Windows.update(**counted._asdict()).where(_is(cart_id, number)).execute(self._db.peewee)

    def count_uploaded(self, cart_id: int, number: int, more: int) -> bool:
        """Count bytes of a staged window that are in the store, within the caller's transaction."""
        query = Windows.update(uploaded_bytes=Windows.uploaded_bytes + more)
        return bool(query.where(_is(cart_id, number), Windows.state == WindowState.STAGED).execute(self._db.peewee))

    def checksums(self, cart_id: int) -> list[tuple[int, int]]:
        """(CRC64NVME, length in bytes) of every window, in order. All windows must be done."""
        query = Windows.select(Windows.checksum, Windows.length).where(Windows.cart_id == cart_id)
        with self._db.session() as db:
            rows = query.order_by(Windows.number).tuples().execute(db)
            return [(crc64nvme.from_hex(value), length) for value, length in rows]

    def sums_pages(self, cart_id: int) -> list[SumsPage]:
        """What the cart's checksum file consists of, in order: a page for each window of files that is done."""
        query = Windows.select(Windows.number, Windows.first, Windows.files, Windows.sums_length)
        query = query.where(Windows.cart_id == cart_id, Windows.sums.is_null(False)).order_by(Windows.number)
        with self._db.session() as db:
            return [SumsPage(*row) for row in query.tuples().execute(db)]

    def sums(self, cart_id: int, number: int) -> str:
        """The checksums of a window's files, in hexadecimal, one after the other; empty if they are not known."""
        query = Windows.select(Windows.sums).where(_is(cart_id, number))
        with self._db.session() as db:
            row = query.tuples().first(db)
        return row[0] or "" if row else ""

    def delete_all(self, cart_id: int) -> None:
        """Delete the cart's windows, within the caller's transaction."""
        Windows.delete().where(Windows.cart_id == cart_id).execute(self._db.peewee)

    def delete_some(self, cart_id: int, most: int) -> int:
        """Delete at most `most` of the cart's windows, as EntryStore.drop_some deletes entries."""
        mine = Windows.cart_id == cart_id
        first = Windows.select(fn.MIN(Windows.number)).where(mine).scalar(self._db.peewee)
        if first is None:
            return 0
        some = Windows.number.between(first, first + most - 1)
        return int(Windows.delete().where(mine, some).execute(self._db.peewee))


def _is(cart_id: Any, number: Any) -> Any:
    return (Windows.cart_id == cart_id) & (Windows.number == number)
