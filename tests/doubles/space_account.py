"""Double of chalicelib.stores.space_account.SpaceAccountStore."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.db.states import WindowState
from chalicelib.stores.space_account import SpaceAccount
from tests.doubles.database import MemoryDatabase


class MemorySpaceAccountStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def lock(self) -> SpaceAccount:
        self._db.require_transaction()
        return self.read()

    def read(self) -> SpaceAccount:
        volume, windows = self._db.tables.volume[1], self._db.tables.windows
        taken = [key for key, row in windows.items() if row.window.state == WindowState.TAKEN]
        waiting = [key[0] for key in taken if windows[key].waits_since is not None]
        return SpaceAccount(volume.used, volume.staged, min(waiting, default=None), volume.removed)

    def charge(self, used: int, staged: int) -> None:
        self._db.require_transaction()
        old = self._db.tables.volume[1]
        removed = old.removed + max(0, -staged)
        self._db.tables.volume[1] = replace(old, used=old.used + used, staged=old.staged + staged, removed=removed)

    def next_directories(self, count: int, of: int) -> list[int]:
        old = self._db.tables.volume[1]
        first = old.reconciled_to
        self._db.tables.volume[1] = replace(old, reconciled_to=(first + count) % of)
        return [number % of for number in range(first, first + count)]
