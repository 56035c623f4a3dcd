"""A query whose SQL is written once: peewee takes a millisecond to write what a server does in a tenth of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database, execute
from chalicelib.db.literal import Literal


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str


def slot(database: Database, name: str) -> Any:
    """Stands in a query for the value `name` of each run; the driver is given it as it is."""
    return Literal("%s" if database.is_mysql else "?", [_Slot(name)])


class Prepared:
    def __init__(self, database: Database, build: Callable[[], Any]) -> None:
        """`build` makes a query of peewee, with slots: at the first run, and when the SQL of the clock is another."""
        self._db = database
        self._build = build
        self._clock = self._sql = ""
        self._parameters: list[Any] = []

    def run(self, db: peewee.Database, **values: Any) -> Any:
        """The cursor."""
        if self._clock != (clock := self._db.now.sql):
            self._sql, self._parameters = self._db.peewee.get_sql_context().sql(self._build()).query()  # type: ignore[no-untyped-call]
            self._clock = clock
        filled = [values[one.name] if isinstance(one, _Slot) else one for one in self._parameters]
        return execute(db, self._sql, filled)
