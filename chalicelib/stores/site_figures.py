"""How the site is doing, in figures: a read model over carts, windows and the volume. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Windows
from chalicelib.db.states import WindowState
from chalicelib.db.volume_models import Volume


@dataclass(frozen=True, slots=True)
class StateFigures:
    """The live carts of one state."""

    state: str
    carts: int


@dataclass(frozen=True, slots=True)
class SpaceFigures:
    """Bytes: reserved on the volume, already there, and of the windows that wait for room; how many these are."""

    used: int
    staged: int
    waiting_bytes: int
    waiting_windows: int


class SiteFigures:
    def __init__(self, database: Database) -> None:
        self._db = database

    def states(self) -> list[StateFigures]:
        """Live carts by state."""
        query = Carts.select(Carts.state, fn.COUNT(1)).where(Carts.live == 1).group_by(Carts.state)
        with self._db.session() as db:
            return [StateFigures(*row) for row in query.tuples().execute(db)]

    def space(self) -> SpaceFigures:
        account = Volume.select(Volume.used, Volume.staged).where(Volume.id == 1)
        waiting = (Windows.state == WindowState.TAKEN) & Windows.waits_since.is_null(False)
        sums = Windows.select(fn.COALESCE(fn.SUM(Windows.waits_for), 0), fn.COUNT(1)).where(waiting)
        with self._db.session() as db:
            used, staged = account.tuples().first(db)
            size, windows = sums.tuples().first(db)
        return SpaceFigures(used, staged, int(size), windows)
