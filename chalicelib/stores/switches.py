"""What operators have paused: the intake of carts, or pulling from the archive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.db.database import Database
from chalicelib.db.operating_models import Switches


class Switch(StrEnum):
    """`intake`: no POST makes a cart. `pulling`: nothing is pulled or recalled from the archive."""

    INTAKE = "intake"
    PULLING = "pulling"


@dataclass(frozen=True, slots=True)
class Pause:
    """`since`: seconds since the epoch; `actor`: who paused it."""

    name: str
    since: float
    actor: str
    why: str


class SwitchStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def pause(self, switch: Switch, actor: str, why: str) -> None:
        """Within the caller's transaction; again: replaces who paused it and why, but not since when."""
        row = Switches.insert(name=switch, since=self._db.now, actor=actor, why=why[:1024])
        self._db.upsert(row, [Switches.name], [Switches.actor, Switches.why]).execute(self._db.peewee)

    def resume(self, switch: Switch) -> bool:
        """Within the caller's transaction; False if it was not paused."""
        return bool(Switches.delete().where(Switches.name == switch).execute(self._db.peewee))

    def pauses(self) -> list[Pause]:
        with self._db.session() as db:
            rows = Switches.select(Switches.name, Switches.since, Switches.actor, Switches.why)
            return [Pause(*row) for row in rows.order_by(Switches.name).tuples().execute(db)]

    def paused(self, switch: Switch) -> Pause | None:
        return next((pause for pause in self.pauses() if pause.name == switch), None)
