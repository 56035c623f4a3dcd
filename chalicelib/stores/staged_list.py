"""The files that are staged on the volume, for who looks after it: a read model. It writes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from peewee import JOIN, fn

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Entries, Windows
from chalicelib.db.states import FileState, WindowState
from chalicelib.db.volume_models import StagedFiles

MOST_WINDOWS = 1000  # that are searched for the carts which need a file
PINNING = (WindowState.RESERVED, WindowState.STAGED)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """`size`: bytes; `pins`: how many reserved windows need it.

    `used_at`: seconds since the epoch, 0 for never; below 0 if an operator has chosen it to be evicted.
    """

    archive_id: str
    state: str
    size: int
    pins: int
    used_at: float


@dataclass(frozen=True, slots=True)
class StagedTotals:
    """Files and their bytes: all, and those that windows need."""

    files: int
    size: int
    needed_files: int
    needed_size: int


class StagedList:
    def __init__(self, database: Database) -> None:
        self._db = database

    def biggest(self, most: int) -> list[ListedFile]:
        return self._files(most, StagedFiles.size.desc(), StagedFiles.archive_id)

    def least_used(self, most: int) -> list[ListedFile]:
        """Those that are evicted first: no window needs them, and they were used longest ago."""
        staged = (StagedFiles.pins == 0) & (StagedFiles.state == FileState.STAGED)
        return self._files(most, StagedFiles.used_at, where=staged)

    def totals(self) -> StagedTotals:
        query = StagedFiles.select(fn.COUNT(1), fn.COALESCE(fn.SUM(StagedFiles.size), 0))
        with self._db.session() as db:
            files, size = query.tuples().first(db)
            needed, needed_size = query.where(StagedFiles.pins > 0).tuples().first(db)
        return StagedTotals(files, int(size), needed, int(needed_size))

    def needed_by(self, archive_ids: Collection[str]) -> dict[str, list[tuple[int, str]]]:
        """Archive id -> carts (row id, uid) whose reserved windows have the file, as far as MOST_WINDOWS tell."""
        if not archive_ids:
            return {}
        columns = (Windows.cart_id, Windows.first, Windows.files)
        pinning = Windows.select(*columns).where(Windows.state.in_(PINNING)).limit(MOST_WINDOWS).alias("pinning")
        inside = (Entries.position >= pinning.c.first) & (Entries.position < pinning.c.first + pinning.c.files)
        query = Entries.select(Entries.archive_id, Carts.id, Carts.uid).distinct()
        query = query.join(pinning, JOIN.INNER, on=(Entries.cart_id == pinning.c.cart_id) & inside)
        query = query.join(Carts, JOIN.INNER, on=(Carts.id == pinning.c.cart_id))
        query = query.where(Entries.archive_id.in_(self._db.listed(sorted(archive_ids))))
        found: dict[str, list[tuple[int, str]]] = {}
        with self._db.session() as db:
            for archive_id, cart_id, uid in query.order_by(Carts.id).tuples().execute(db):
                found.setdefault(archive_id, []).append((cart_id, uid))
        return found

    def _files(self, most: int, *order: object, where: object = True) -> list[ListedFile]:
        columns = (StagedFiles.archive_id, StagedFiles.state, StagedFiles.size, StagedFiles.pins, StagedFiles.used_at)
        query = StagedFiles.select(*columns)
        query = query if where is True else query.where(where)
        with self._db.session() as db:
            return [ListedFile(*row) for row in query.order_by(*order).limit(most).tuples().execute(db)]
