"""Double of workers.stores.windows.WindowStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.db.states import WindowState
from chalicelib.stores.waiting_windows import UNKNOWN
from tests.doubles.charges import Uncharged
from tests.doubles.database import MemoryDatabase, WindowRow
from workers.files import crc64nvme
from workers.stores.windows import Ahead, Counted, SumsPage, Window

#: columns that Window does not have
IN_ROW = ("checksum", "waits_since", "passed_bytes", "counted_map", "sums", "sums_length")
HOLDING = (WindowState.RESERVED, WindowState.STAGED)


class MemoryWindowStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.charges = Uncharged()

    def insert(self, cart_id: int, windows: Sequence[Window]) -> None:
        self._db.require_transaction()
        for window in windows:
            self._db.tables.windows[cart_id, window.number] = WindowRow(window)

    def get(self, cart_id: int, number: int) -> Window | None:
        row = self._db.tables.windows.get((cart_id, number))
        return row.window if row else None

    def in_state(self, cart_id: int, *states: WindowState) -> list[Window]:
        return [row.window for row in self._of(cart_id) if row.window.state in states]

    def move(self, cart_id: int, number: int, before: Sequence[WindowState], after: WindowState, **values: Any) -> bool:
        self._db.require_transaction()
        row = self._db.tables.windows.get((cart_id, number))
        if row is None or row.window.state not in before:
            return False
        own = {name: values.pop(name) for name in IN_ROW if name in values}
        window = replace(row.window, state=after, **values)
        self._db.tables.windows[cart_id, number] = replace(row, window=window, **own)
        return True

    def take(self, cart_id: int, limit: int) -> list[int]:
        numbers = [window.number for window in self.in_state(cart_id, WindowState.ONLINE)[:limit]]
        return [n for n in numbers if self.move(cart_id, n, (WindowState.ONLINE,), WindowState.TAKEN)]

    def wait_for_space(self, cart_id: int, number: int, needed: int) -> None:
        self._db.require_transaction()
        row = self._db.tables.windows.get((cart_id, number))
        if row is not None and row.window.state == WindowState.TAKEN:
            since = self._db.now if row.waits_since is None else row.waits_since
            self._db.tables.windows[cart_id, number] = replace(row, waits_since=since, waits_for=needed)

    def ahead_of(self, cart_id: int) -> Ahead:
        rows = self._db.tables.windows
        taken = [row for key, row in rows.items() if row.window.state == WindowState.TAKEN and key[0] < cart_id]
        since = [row.waits_since for row in taken if row.waits_since is not None]
        needed = [UNKNOWN if row.waits_for is None else row.waits_for for row in taken if row.waits_since is not None]
        passed = sum(row.passed_bytes for row in rows.values() if row.window.state in HOLDING)
        return Ahead(max(needed, default=0), min(since, default=0.0), passed)

    def others_hold_space(self, cart_id: int, number: int) -> bool:
        rows = self._db.tables.windows
        return any(row.window.state in HOLDING for key, row in rows.items() if key != (cart_id, number))

    def set_counted(self, cart_id: int, number: int, counted: Counted) -> None:
        self._db.require_transaction()
        row = self._db.tables.windows[cart_id, number]
        columns = counted._asdict()
        own = {"counted_map": columns.pop("counted_map")}
        self._db.tables.windows[cart_id, number] = replace(row, window=replace(row.window, **columns), **own)

    def count_uploaded(self, cart_id: int, number: int, more: int) -> bool:
        self._db.require_transaction()
        row = self._db.tables.windows.get((cart_id, number))
        if row is None or row.window.state != WindowState.STAGED:
            return False
        window = replace(row.window, uploaded_bytes=row.window.uploaded_bytes + more)
        self._db.tables.windows[cart_id, number] = replace(row, window=window)
        return True

    def checksums(self, cart_id: int) -> list[tuple[int, int]]:
        return [(crc64nvme.from_hex(row.checksum), row.window.length) for row in self._of(cart_id)]

    def sums_pages(self, cart_id: int) -> list[SumsPage]:
        rows = [row for row in self._of(cart_id) if row.sums is not None]
        return [SumsPage(row.window.number, row.window.first, row.window.files, row.sums_length) for row in rows]

    def sums(self, cart_id: int, number: int) -> str:
        row = self._db.tables.windows.get((cart_id, number))
        return row.sums or "" if row else ""

    def delete_all(self, cart_id: int) -> None:
        self._db.require_transaction()
        for row in self._of(cart_id):
            del self._db.tables.windows[cart_id, row.window.number]

    def delete_some(self, cart_id: int, most: int) -> int:
        self._db.require_transaction()
        some = self._of(cart_id)[:most]
        for row in some:
            del self._db.tables.windows[cart_id, row.window.number]
        return len(some)

    def _of(self, cart_id: int) -> list[WindowRow]:
        rows = self._db.tables.windows
        return [rows[key] for key in sorted(rows) if key[0] == cart_id]
