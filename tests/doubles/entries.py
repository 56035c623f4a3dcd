"""Double of chalicelib.stores.entries.EntryStore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chalicelib.manifest.reader import Entry
from chalicelib.stores.entries import CartEntry
from tests.doubles.database import MemoryDatabase


class MemoryEntryStore:
    """Returns copies: callers change the entries they read."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def add(self, cart_id: int, first: int, entries: Iterable[Entry]) -> None:
        self._db.require_transaction()
        for position, entry in enumerate(entries, first):
            row = CartEntry(cart_id, position, *entry, None, None, 0, "", 0.0, None)
            self._db.tables.entries[cart_id, position] = row

    def page(self, cart_id: int, first: int, most: int) -> list[CartEntry]:
        return [replace(entry) for entry in self._of(cart_id) if first <= entry.position < first + most]

    def record_found(self, entries: Sequence[CartEntry]) -> None:
        self._db.require_transaction()
        rows = self._db.tables.entries
        for entry in entries:
            key = (entry.cart_id, entry.position)
            rows[key] = replace(
                rows[key],
                size=entry.size,
                mtime_ns=entry.mtime_ns,
                on_tape=int(entry.on_tape),
                error=entry.error,
                failing_s=entry.failing_s,
                failing_at=entry.failing_at,
                failing_reason=entry.failing_reason,
            )

    def errors(self, cart_id: int) -> tuple[int, CartEntry | None]:
        failed = [replace(entry) for entry in self._of(cart_id) if entry.error]
        return len(failed), failed[0] if failed else None

    def forget_found(self, cart_id: int) -> None:
        self._db.require_transaction()
        for entry in self._of(cart_id):
            unknown = replace(entry, size=None, mtime_ns=None, on_tape=0)
            unknown = replace(unknown, failing_s=0.0, failing_at=None, failing_reason="")
            self._db.tables.entries[cart_id, entry.position] = unknown

    def drop(self, cart_id: int) -> None:
        self._db.require_transaction()
        for entry in self._of(cart_id):
            del self._db.tables.entries[cart_id, entry.position]

    def drop_some(self, cart_id: int, most: int) -> int:
        self._db.require_transaction()
        some = self._of(cart_id)[:most]
        for entry in some:
            del self._db.tables.entries[cart_id, entry.position]
        return len(some)

    def _of(self, cart_id: int) -> list[CartEntry]:
        rows = self._db.tables.entries
        return [rows[key] for key in sorted(rows) if key[0] == cart_id]
