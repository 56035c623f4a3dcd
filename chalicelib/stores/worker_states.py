"""Which workers there are, what each holds and does. Each worker writes its own row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.operating_models import Workers


@dataclass(frozen=True, slots=True)
class WorkerState:
    """Times are seconds since the epoch, `memory` is bytes. `held`: ids of jobs. `stopped_at`: when it drained."""

    name: str
    revision: str
    started_at: float
    seen_at: float
    stopped_at: float | None
    held: Sequence[int]
    step: str
    step_at: float | None
    memory: int
    hung: bool


class WorkerStateStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def started(self, name: str, revision: str) -> None:
        """Add the row of a worker that starts, in place of one of its name."""
        now = self._db.now
        with self._db.session() as db:
            row = Workers.insert(name=name, revision=revision, started_at=now, seen_at=now)
            row.on_conflict_replace().execute(db)

    def seen(self, name: str, held: Sequence[int], step: str, since: float, memory: int, hung: bool) -> bool:
        """Record that the worker lives; `since`: seconds since its last step. False if its row is gone."""
        now = self._db.now
        state: dict[str, Any] = {"held": json.dumps(list(held)), "step": step[:255], "step_at": now - since}
        query = Workers.update(seen_at=now, memory=memory, hung=int(hung), **state).where(Workers.name == name)
        with self._db.session() as db:
            return bool(query.execute(db))

    def stopped(self, name: str) -> None:
        """Record that the worker has drained."""
        now = self._db.now
        with self._db.session() as db:
            Workers.update(stopped_at=now, seen_at=now, held=None).where(Workers.name == name).execute(db)

    def all(self) -> list[WorkerState]:
        """The workers, the last seen first."""
        with self._db.session() as db:
            return [_state(row) for row in Workers.select().order_by(Workers.seen_at.desc()).execute(db)]

    def delete_unseen(self, seconds: float) -> int:
        """Delete the rows of workers that were not seen for so long; return how many."""
        with self._db.session() as db:
            return int(Workers.delete().where(Workers.seen_at < self._db.now - seconds).execute(db))


def idle_worker_seen(now: Any, within: float) -> Any:
    """SQL: whether a worker that was seen within so many seconds holds no job. It would take one that is due."""
    idle = (Workers.held.is_null() | (Workers.held == "[]")) & Workers.stopped_at.is_null()
    return peewee.fn.EXISTS(Workers.select(peewee.SQL("1")).where(Workers.seen_at > now - within, idle))


def _state(row: Workers) -> WorkerState:
    return WorkerState(
        name=str(row.name),
        revision=str(row.revision),
        started_at=float(row.started_at),
        seen_at=float(row.seen_at),
        stopped_at=row.stopped_at,
        held=json.loads(row.held or "[]"),
        step=str(row.step),
        step_at=row.step_at,
        memory=int(row.memory),
        hung=bool(row.hung),
    )
