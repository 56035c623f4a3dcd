"""The entry store: the only writer of entries, which are a cart's files and their metadata from the archive.

A cart has up to millions of entries, so rows are plain objects, read and written in pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database, chunks, execute
from chalicelib.db.models import Entries
from chalicelib.manifest.reader import Entry


@dataclass(slots=True)
class CartEntry:
    """One entry of a manifest, with its file's metadata from the archive."""

    cart_id: int
    position: int
    archive_id: str
    path: str
    hash_name: str
    hash_hex: str
    new_dirs: int
    #: bytes and nanoseconds; None until the archive has answered, a number in every layout
    size: Any
    mtime_ns: Any
    on_tape: int
    error: str
    #: seconds this file has been failing while the archive was up, and when it last did
    failing_s: float
    failing_at: float | None

    @property
    def is_unknown(self) -> bool:
        """Whether the archive has yet to answer for this entry's file."""
        return self.size is None and not self.error


_COLUMNS = [getattr(Entries, field.name) for field in dataclasses.fields(CartEntry)]
_POSTED = [Entries.cart_id, Entries.position, *(getattr(Entries, name) for name in Entry._fields)]
_FOUND = [Entries.size, Entries.mtime_ns, Entries.on_tape, Entries.error, Entries.failing_s, Entries.failing_at]
_UNKNOWN = {"size": None, "mtime_ns": None, "on_tape": 0, "failing_s": 0, "failing_at": None}


class EntryStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        page = Entries.select(*_COLUMNS).where(Entries.cart_id == 0, Entries.position.between(0, 0))
        # Kept as text: peewee's cursor takes 1.5 times as long per row.
        self._page_sql = database.text_of(page.order_by(Entries.position))

    def add(self, cart_id: int, first: int, entries: Sequence[Entry]) -> None:
        """Insert entries at positions from `first` on, within the caller's transaction."""
        for rows in chunks([(cart_id, first + number, *entry) for number, entry in enumerate(entries)]):
            Entries.insert_from(self._db.values(rows), _POSTED).execute(self._db.peewee)

    def page(self, cart_id: int, first: int, most: int) -> list[CartEntry]:
        """Up to `most` entries from position `first` on, in order."""
        with self._db.session() as db:
            rows = execute(db, self._page_sql, (cart_id, first, first + most - 1)).fetchall()
        return [CartEntry(*row) for row in rows]

    def record_found(self, entries: Sequence[CartEntry]) -> None:
        """Record these entries' metadata (size, mtime, tape, error, failing), within the caller's transaction."""
        for batch in chunks(entries):
            query = Entries.insert_from(self._db.values([_row(entry) for entry in batch]), _COLUMNS)
            self._db.upsert(query, [Entries.cart_id, Entries.position], _FOUND).execute(self._db.peewee)

    def errors(self, cart_id: int) -> tuple[int, CartEntry | None]:
        """The number of failed entries, and the first of them."""
        failed = (Entries.cart_id == cart_id) & (Entries.error != "")
        with self._db.session() as db:
            count = int(Entries.select(peewee.fn.COUNT(1)).where(failed).scalar(db))
            if not count:
                return 0, None
            first = Entries.select(*_COLUMNS).where(failed).order_by(Entries.position).tuples().first(db)
        return count, CartEntry(*first)

    def forget_found(self, cart_id: int) -> None:
        """Clear the metadata of the cart's files, within the caller's transaction."""
        Entries.update(**_UNKNOWN).where(Entries.cart_id == cart_id).execute(self._db.peewee)

    def drop(self, cart_id: int) -> None:
        """Delete the cart's entries, within the caller's transaction."""
        Entries.delete().where(Entries.cart_id == cart_id).execute(self._db.peewee)


def _row(entry: CartEntry) -> tuple[Any, ...]:
    """Values in the order of _COLUMNS. The row exists, so the columns of the manifest are left empty."""
    key = (entry.cart_id, entry.position, "", "", "", "", 0)
    return (*key, entry.size, entry.mtime_ns, int(entry.on_tape), entry.error, entry.failing_s, entry.failing_at)
