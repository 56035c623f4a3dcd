"""One consistent view of the database for several queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.db.database import Database


@contextmanager
def snapshot(database: Database) -> Iterator[None]:
    """Queries within see the database as the first of them does. They block no writer."""
    view = "REPEATABLE READ" if database.is_mysql else "DEFERRED"
    with database.session() as db, db.atomic(view):
        yield
