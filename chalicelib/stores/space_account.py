"""The volume's space account, one row: the only SQL on its row.

Everything that changes the account first locks its row, so reservations are made one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.models import Windows
from chalicelib.db.statement import Statement, slot
from chalicelib.db.states import FileState, WindowState
from chalicelib.db.volume_models import StagedFiles, Volume

BLOCK = 4096  # bytes; the unit in which file systems allocate


@dataclass(frozen=True, slots=True)
class SpaceAccount:
    """Bytes charged, bytes of staged files, and the oldest cart that waits for space, if any.

    `removed`: bytes that have ever left `staged`.
    """

    used: int
    staged: int
    waiting_cart: int | None
    removed: int = 0


class SpaceAccountStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def lock(self) -> SpaceAccount:
        """Lock the account for the rest of the caller's transaction."""
        return SpaceAccount(*_LOCK.run(self._db).fetchone())

    def read(self) -> SpaceAccount:
        """The account as it is, not locked."""
        return SpaceAccount(*_READ.run(self._db).fetchone())

    def charge(self, used: int, staged: int) -> None:
        """Add to both sums, in bytes; either may be negative. Call it under the lock."""
        if used or staged:
            _CHARGE.run(self._db, used=used, staged=staged, removed=max(0, -staged))

    def difference(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """(used, staged) as they are and as the staged files add up, within a transaction; None if they are equal."""
        account = self.lock()
        allocated = (StagedFiles.size + (BLOCK - 1)).bin_and(-BLOCK)  # dialects divide differently
        query = StagedFiles.select(fn.COALESCE(fn.SUM(allocated), 0))
        on_volume = query.where(StagedFiles.state == FileState.STAGED)
        real = (int(query.scalar(self._db.peewee)), int(on_volume.scalar(self._db.peewee)))
        recorded = (account.used, account.staged)
        return None if recorded == real else (recorded, real)

    def correct(self, used: int, staged: int) -> None:
        """Set both sums. Call it under the lock."""
        Volume.update(used=used, staged=staged).where(Volume.id == 1).execute(self._db.peewee)

    def begin_reconcile(self, every: float) -> bool:
        """Whether `every` seconds have passed since this last returned True; within the caller's transaction."""
        due = (Volume.id == 1) & (Volume.reconciled_at <= self._db.now - every)
        return bool(Volume.update(reconciled_at=self._db.now).where(due).execute(self._db.peewee))

    def next_directories(self, count: int, of: int) -> list[int]:
        """The `count` of `of` directories to reconcile next, round robin."""
        with self._db.session() as db:
            first: int = Volume.select(Volume.reconciled_to).where(Volume.id == 1).tuples().first(db)[0]
            Volume.update(reconciled_to=(first + count) % of).where(Volume.id == 1).execute(db)
        return [number % of for number in range(first, first + count)]


def _account() -> Any:
    waiting = (Windows.state == WindowState.TAKEN) & Windows.waits_since.is_null(False)
    oldest = Windows.select(fn.MIN(Windows.cart_id)).where(waiting)
    return Volume.select(Volume.used, Volume.staged, oldest, Volume.removed).where(Volume.id == 1).tuples()


def _locked(database: Database) -> Any:
    return _account().for_update() if database.is_mysql else _account()


_SUMS: tuple[Any, ...] = (Volume.used, Volume.staged, Volume.removed)
_LOCK, _READ = Statement(_locked), Statement(lambda _: _account())
_CHARGE = Statement(
    lambda _: Volume.update({column: column + slot(column.name) for column in _SUMS}).where(Volume.id == 1)
)
