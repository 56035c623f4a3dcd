"""The entry store: the only writer of entries, which are a cart's files and their metadata from the archive.

A cart has up to millions of entries, so rows are plain objects, read and written in pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database, chunks, execute
from chalicelib.db.models import Entries
from chalicelib.db.statement import RowsStatement
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
    #: why it is being retried
    failing_reason: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether the archive has yet to answer for this entry's file."""
        return self.size is None and not self.error

    def succeed(self) -> None:
        """The archive has delivered: what failed before uses up no patience any more."""
        self.failing_s, self.failing_at, self.failing_reason = 0.0, None, ""


_COLUMNS = [getattr(Entries, field.name) for field in dataclasses.fields(CartEntry)]
_POSTED = [Entries.cart_id, Entries.position, *(getattr(Entries, name) for name in Entry._fields)]
_FAILING = [Entries.failing_s, Entries.failing_at, Entries.failing_reason]
_FOUND = [Entries.size, Entries.mtime_ns, Entries.on_tape, Entries.error, *_FAILING]
_UNKNOWN = {"size": None, "mtime_ns": None, "on_tape": 0, "failing_s": 0, "failing_at": None, "failing_reason": ""}
_KEY = [Entries.cart_id, Entries.position]

_ADD = RowsStatement(lambda _, rows: Entries.insert_from(rows, _POSTED))
_RECORD_FOUND = RowsStatement(lambda database, rows: database.upsert(Entries.insert_from(rows, _COLUMNS), _KEY, _FOUND))


class EntryStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        page = Entries.select(*_COLUMNS).where(Entries.cart_id == 0, Entries.position.between(0, 0))
        # Kept as text: peewee's cursor takes 1.5 times as long per row.
        self._page_sql = database.text_of(page.order_by(Entries.position))

    def add(self, cart_id: int, first: int, entries: Iterable[Entry]) -> None:
        """Insert entries at positions from `first` on, within the caller's transaction; a page at a time."""
        for rows in chunks((cart_id, position, *entry) for position, entry in enumerate(entries, first)):
            _ADD.run(self._db, rows)

    def page(self, cart_id: int, first: int, most: int) -> list[CartEntry]:
        """Up to `most` entries from position `first` on, in order."""
        with self._db.session() as db:
            rows = execute(db, self._page_sql, (cart_id, first, first + most - 1)).fetchall()
        return [CartEntry(*row) for row in rows]

    def record_found(self, entries: Sequence[CartEntry]) -> None:
        """Record these entries' metadata (size, mtime, tape, error, failing), within the caller's transaction."""
        for batch in chunks(entries):
            _RECORD_FOUND.run(self._db, [_row(entry) for entry in batch])

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

    def forget_failed(self, cart_id: int) -> None:
        """Clear what is known of the cart's files that failed or are on tape, within the caller's transaction."""
        unsettled = (Entries.error != "") | Entries.failing_at.is_null(False) | (Entries.on_tape == 1)
        Entries.update(**_UNKNOWN, error="").where(Entries.cart_id == cart_id, unsettled).execute(self._db.peewee)

    def has_all(self, cart_id: int, count: int) -> bool:
        """Whether the cart has its `count` entries: they are deleted from the lowest position on."""
        ends = Entries.select(Entries.position).where(Entries.cart_id == cart_id, Entries.position.in_((0, count - 1)))
        with self._db.session() as db:
            return {row[0] for row in ends.tuples().execute(db)} == {0, count - 1}

    def drop(self, cart_id: int) -> None:
        """Delete the cart's entries, within the caller's transaction."""
        Entries.delete().where(Entries.cart_id == cart_id).execute(self._db.peewee)

    def drop_some(self, cart_id: int, most: int) -> int:
        """Delete at most `most` of the cart's entries, within the caller's transaction; return how many it deleted.

        The positions of a cart are consecutive, so this deletes fewer than `most` only if none is left.
        """
        mine = Entries.cart_id == cart_id
        first = Entries.select(peewee.fn.MIN(Entries.position)).where(mine).scalar(self._db.peewee)
        if first is None:
            return 0
        some = Entries.position.between(first, first + most - 1)
        return int(Entries.delete().where(mine, some).execute(self._db.peewee))


def _row(entry: CartEntry) -> tuple[Any, ...]:
    """Values in the order of _COLUMNS. The row exists, so the columns of the manifest are left empty."""
    key = (entry.cart_id, entry.position, "", "", "", "", 0)
    failing = (entry.failing_s, entry.failing_at, entry.failing_reason)
    return (*key, entry.size, entry.mtime_ns, int(entry.on_tape), entry.error, *failing)
