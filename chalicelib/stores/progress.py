"""A cart's progress: a read model over carts, entries and windows. It writes nothing."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Entries, Windows
from chalicelib.db.states import WindowState
from chalicelib.stores.cart_progress import STALLED_AFTER
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.counted_files import CountedFiles

CLEARED = "The cart failed and its list of files has been removed. Post the manifest again to start over."


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of a cart's files that are on tape, and that are in the bundle; bytes of those that wait for space."""

    on_tape: int
    bundled: int
    waiting_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileProgress:
    """`state`: `waiting`, `on_tape`, `retrying`, `staged`, `bundled` or `error`. `reason`: why it is being retried.

    `size` is in bytes, None if not yet known. `position`: its place in the manifest, from 0 on.
    """

    path: str
    archive_id: str
    state: str
    size: int | None
    error: str
    reason: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class FilePage:
    """`next`: the position to continue after; None on the last page. `message`: why there are no files, if so."""

    files: list[FileProgress]
    next: int | None
    message: str = ""


class ProgressStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def counts(self, cart: Cart) -> Counts:
        if cart.state == CartState.READY:
            return Counts(0, cart.files_total)
        if cart.state == CartState.WAITING:
            return Counts(0, 0)
        tape = Entries.select(peewee.fn.COUNT(1)).where(Entries.cart_id == cart.id, Entries.on_tape == 1)
        done = peewee.Case(None, [(Windows.state == WindowState.DONE, Windows.files)], 0)
        waiting = peewee.Case(None, [(Windows.waits_since.is_null(False), Windows.waits_for)], 0)
        sums = Windows.select(peewee.fn.SUM(done), peewee.fn.SUM(waiting)).where(Windows.cart_id == cart.id)
        with self._db.session() as db:
            files, size = sums.tuples().first(db)
            return Counts(int(tape.scalar(db)), int(files or 0), int(size or 0))

    def files(self, cart: Cart, after: int, most: int) -> FilePage:
        """Up to `most` files after position `after`, in the manifest's order.

        A file is staged when its cart has counted it: so as many are as the cart's counts say.
        """
        if cart.cleared_at is not None:
            return FilePage([], None, CLEARED)
        with self._db.session() as db:
            query = Entries.select().where(Entries.cart_id == cart.id, Entries.position > after)
            entries = list(query.order_by(Entries.position).limit(most).execute(db))
            last = entries[-1].position if entries else after
            windows = self._windows(db, cart, after + 1, last)
        files = [_progress_of(cart, entry, windows) for entry in entries]
        return FilePage(files, last if last + 1 < cart.files_total and entries else None)

    def _windows(self, db: peewee.Database, cart: Cart, first: int, last: int) -> _Windows:
        """The windows of the files from position `first` to `last`."""
        overlapping = (Windows.first <= last) & (Windows.first + Windows.files > first)
        columns = (Windows.first, Windows.files, Windows.counted_files, Windows.counted_map, Windows.state)
        query = Windows.select(*columns).where(Windows.cart_id == cart.id, overlapping).order_by(Windows.first)
        rows = query.tuples().execute(db)
        return _Windows([(CountedFiles(*counted), state == WindowState.DONE) for *counted, state in rows])


def seconds_left(cart: Cart, now: float) -> int | None:
    """An estimate from the recent rate, over all bytes to stage and to bundle; None if that is unknown.

    The rate is measured up to the last count, so while nothing is counted the estimate stays as it is.
    """
    if cart.state not in UNFINISHED or cart.counted_at is None or cart.earlier_at is None:
        return None
    done, whole = cart.bytes_staged + cart.bundle_bytes, cart.bytes_total + cart.bundle_size
    gained, seconds = done - cart.earlier_bytes, cart.counted_at - cart.earlier_at
    if gained <= 0 or seconds <= 0 or now - cart.counted_at > STALLED_AFTER:
        return None
    return max(0, round((whole - done) * seconds / gained))


class _Windows:
    """The windows of some files, in order; each with whether it is in the bundle."""

    def __init__(self, windows: list[tuple[CountedFiles, bool]]) -> None:
        self._windows = windows
        self._firsts = [counted.first for counted, _ in windows]

    def state(self, position: int) -> str:
        """`bundled` or `staged`; empty for a file that is neither."""
        at = bisect_right(self._firsts, position) - 1
        if at < 0 or position not in self._windows[at][0]:
            return ""
        return "bundled" if self._windows[at][1] else "staged"


def _progress_of(cart: Cart, entry: Entries, windows: _Windows) -> FileProgress:
    state = _state(cart, entry, windows)
    reason = entry.failing_reason if state in ("retrying", "on_tape") else ""
    return FileProgress(entry.path, entry.archive_id, state, entry.size, entry.error, reason, entry.position)


def _state(cart: Cart, entry: Entries, windows: _Windows) -> str:
    if entry.error:
        return "error"
    if cart.state == CartState.READY:
        return "bundled"
    if counted := windows.state(entry.position):
        return counted
    if entry.on_tape:
        return "on_tape"
    if cart.state in UNFINISHED and (entry.failing_reason or entry.failing_at is not None):
        return "retrying"  # the previous release gives no reason
    return "waiting"
