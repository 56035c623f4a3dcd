"""Which job is next, whichever message woke the worker: the lines in turn, and the carts of a line in turn.

A job that becomes due joins the end of its line; so does every waiting job of a cart that was served (JobStore.claim).
`ready` marks those that stand in line, so that the first of the next line is found by one step in an index, however
many jobs are due, held or deferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.statement import Statement, slot
from chalicelib.job_message import Claim
from chalicelib.stores.turns import Turn, is_due
from chalicelib.stores.unlocked_jobs import update_unlocked

CANDIDATES = 8  # other workers may claim the first ones meanwhile
LINED_UP = 100  # jobs that became due, at once


class DueJobStore:
    """`lease` is in seconds."""

    def __init__(self, database: Database, lease: float) -> None:
        self._db = database
        self._lease = lease
        self._first, self._first_small = (Statement(partial(self._parts, only_small=small)) for small in (False, True))

    def next(self, turn: Turn) -> list[Claim]:
        """The jobs to claim, the fairest first, with the token of their last claim; empty if none is due."""
        found = self._read(turn)
        if became_due := [job_id for part, _, _, job_id, _ in found if part == _BECAME_DUE]:
            self._line_up(became_due)
            found = self._read(turn)
        rows = sorted(row for row in found if row[0] != _BECAME_DUE)
        return [Claim(job_id, token) for _, _, _, job_id, token in rows]

    def any_due(self, besides: int = -1) -> bool:
        """Whether any job waits for a worker, not counting those of the cart `besides`."""
        due = Jobs.ready.in_((0, 1)) & self._is_due & (Jobs.cart_id != besides)
        query = Jobs.select(Jobs.id).where(due).limit(1)
        with self._db.session() as db:
            return query.tuples().first(db) is not None

    def seconds_until_due(self, claim: Claim) -> float | None:
        """Seconds until a free job is due; None if it has been claimed since, or has no message."""
        query = Jobs.select(Jobs.due_at - self._db.now).where(Jobs.id == claim.job_id, Jobs.token == claim.token)
        with self._db.session() as db:
            row = query.where(Jobs.lease_until <= self._db.now, Jobs.has_message == 1).tuples().first(db)
        return None if row is None else float(row[0])

    @property
    def _is_due(self) -> Any:
        return is_due(self._db.now, self._lease)

    @property
    def _became_due(self) -> Any:
        due = (Jobs.ready == 0) & (Jobs.has_message == 1) & (Jobs.due_at <= self._db.now)
        return due & (Jobs.lease_until <= self._db.now)

    def _read(self, turn: Turn) -> list[Any]:
        """Part, line, due_at, id and token of the first jobs of each part."""
        query = self._first_small if turn.only_small else self._first
        return list(query.run(self._db, after=turn.after).fetchall())

    def _parts(self, _: Database, only_small: bool) -> Any:
        after = slot("after")
        standing = (Jobs.ready == 1) & self._is_due
        if only_small:
            standing &= Jobs.small == 1
        parts = [
            _part(_NEXT_LINES, standing & (Jobs.line > after)).order_by(Jobs.line, Jobs.due_at),
            _part(_FIRST_LINES, standing & (Jobs.line <= after)).order_by(Jobs.line, Jobs.due_at),
            _part(_BECAME_DUE, self._became_due).order_by(Jobs.due_at).limit(LINED_UP),
        ]
        wrapped = [peewee.Select([part.alias(f"part{number}")], [peewee.SQL("*")]) for number, part in enumerate(parts)]
        return wrapped[0].union_all(wrapped[1]).union_all(wrapped[2])

    def _line_up(self, job_ids: Sequence[int]) -> None:
        """Let jobs that became due stand in line."""
        update_unlocked(self._db, job_ids, self._became_due, {"ready": 1})


_NEXT_LINES, _FIRST_LINES, _BECAME_DUE = range(3)


def _part(number: int, which: Any) -> Any:
    columns = (peewee.SQL(str(number)).alias("part"), Jobs.line, Jobs.due_at, Jobs.id, Jobs.token)
    return Jobs.select(*columns).where(which).limit(CANDIDATES)
