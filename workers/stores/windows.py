"""The windows of a laid out cart: the only SQL on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Jobs, Windows
from workers.files.crc64nvme import from_hex

TAPE, ONLINE, TAKEN, RESERVED, STAGED, DONE, DROPPED = (
    "tape", "online", "taken", "reserved", "staged", "done", "dropped",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """A run of `files` entries from position `first`; `length` bytes of the bundle, from part `first_part` on."""

    number: int
    first: int
    files: int
    length: int
    first_part: int
    state: str
    counted_files: int = 0
    counted_bytes: int = 0


_LAID_OUT = (Windows.number, Windows.first, Windows.files, Windows.length, Windows.first_part, Windows.state)
_COLUMNS = (*_LAID_OUT, Windows.counted_files, Windows.counted_bytes)


class WindowStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def lay_out(self, cart_id: int, windows: Sequence[Window]) -> None:
        """Write down the cart's windows, within the caller's transaction."""
        fields = [Windows.cart_id, *_LAID_OUT]
        for some in chunks(windows):
            rows = [(cart_id, w.number, w.first, w.files, w.length, w.first_part, w.state) for w in some]
            Windows.insert_from(self._db.values(rows), fields).execute(self._db.peewee)

    def get(self, cart_id: int, number: int) -> Window | None:
        query = Windows.select(*_COLUMNS).where(Windows.cart_id == cart_id, Windows.number == number)
        with self._db.session() as db:
            row = query.tuples().first(db)
        return Window(*row) if row else None

    def in_state(self, cart_id: int, *states: str) -> list[Window]:
        query = Windows.select(*_COLUMNS).where(Windows.cart_id == cart_id, Windows.state.in_(states))
        with self._db.session() as db:
            return [Window(*row) for row in query.order_by(Windows.number).tuples().execute(db)]

    def move(self, cart_id: int, number: int, before: Sequence[str], after: str, **values: Any) -> bool:
        """The guarded UPDATE of a window's state; False when it was not in one of `before`."""
        here = (Windows.cart_id == cart_id) & (Windows.number == number) & Windows.state.in_(before)
        return bool(Windows.update(state=after, **values).where(here).execute(self._db.peewee))

    def take(self, cart_id: int, most: int) -> list[int]:
        """Hand out up to `most` windows whose files are online, within the caller's transaction; their numbers."""
        query = Windows.select(Windows.number).where(Windows.cart_id == cart_id, Windows.state == ONLINE)
        numbers = [row[0] for row in query.order_by(Windows.number).limit(most).tuples().execute(self._db.peewee)]
        return [number for number in numbers if self.move(cart_id, number, (ONLINE,), TAKEN)]

    def wait_for_space(self, cart_id: int, number: int) -> None:
        """Note since when a window waits, so that the oldest cart goes first."""
        here = (Windows.cart_id == cart_id) & (Windows.number == number) & Windows.waits_since.is_null()
        with self._db.session() as db:
            Windows.update(waits_since=self._db.now).where(here).execute(db)

    def waiting_jobs(self, most: int) -> list[tuple[int, int, int]]:
        """(job, token, cart) of the windows that have waited longest for space, oldest cart first."""
        same = (Jobs.cart_id == Windows.cart_id) & (Jobs.window == Windows.number) & (Jobs.kind == "window")
        query = (
            Windows.select(Jobs.id, Jobs.token, Jobs.cart_id)
            .join(Jobs, on=same)
            .where(Windows.waits_since.is_null(False))
        )
        with self._db.session() as db:
            rows = query.order_by(Windows.cart_id, Windows.number).limit(most).tuples().execute(db)
            return [(job_id, token, cart_id) for job_id, token, cart_id in rows]

    def others_reserved(self, cart_id: int, number: int) -> bool:
        """Whether any other window holds space."""
        other = (Windows.cart_id != cart_id) | (Windows.number != number)
        query = Windows.select(Windows.number).where(Windows.state.in_((RESERVED, STAGED)), other)
        return query.limit(1).tuples().first(self._db.peewee) is not None

    def counted(self, cart_id: int, number: int, files: int, size: int) -> None:
        """Note how much of a window its cart has counted as staged, within the caller's transaction."""
        here = (Windows.cart_id == cart_id) & (Windows.number == number)
        Windows.update(counted_files=files, counted_bytes=size).where(here).execute(self._db.peewee)

    def checksums(self, cart_id: int) -> list[tuple[int, int]]:
        """Checksum and length of every window, in order; all are done."""
        query = Windows.select(Windows.checksum, Windows.length).where(Windows.cart_id == cart_id)
        with self._db.session() as db:
            rows = query.order_by(Windows.number).tuples().execute(db)
            return [(from_hex(value), length) for value, length in rows]

    def forget(self, cart_id: int) -> None:
        """Delete the cart's windows, within the caller's transaction."""
        Windows.delete().where(Windows.cart_id == cart_id).execute(self._db.peewee)
