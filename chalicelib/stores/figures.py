"""What the database says of the service as a whole: how many carts and jobs there are, what waits and for how long.

Every count is bounded, and every age comes from an index, so asking costs the same however large the tables are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import peewee
from peewee import fn

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs, Windows
from chalicelib.db.operating_models import CartHistory, Notifications, Switches, Workers
from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.db.volume_models import Recalls, Volume
from chalicelib.stores.cart_row import UNFINISHED, CartState
from chalicelib.stores.cart_waits import SOON

#: Rows of one kind that are counted at most, and the last changes among which the last cart that became ready is found.
MOST = 100_000
LAST_CHANGES = 1000
#: Seconds after which a worker that was not seen counts as gone: a few heartbeats of the longest usual lease.
GONE_AFTER = 120.0
HELD, DUE, WAITING = "held", "due", "waiting"


@dataclass(frozen=True, slots=True)
class Wait:
    """Jobs that wait for the same, and for how many seconds the first of them has waited."""

    jobs: int
    longest: float


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the volume charged, staged, and wanted by windows that wait; seconds that the first of these waits."""

    used: int
    staged: int
    wanted: int
    longest_wait: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Times are seconds. `jobs`: by kind and state. `oldest_due`: since when a job could have been taken."""

    carts: Mapping[str, int]
    oldest_unfinished: float
    nothing_ready: float
    jobs: Mapping[tuple[str, str], int]
    oldest_due: float
    waits: Mapping[str, Wait]
    space: Space
    recalls: int
    notifications: int
    workers: int
    workers_hung: int
    paused: frozenset[str]


class FigureStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def read(self) -> Figures:
        """Raises DatabaseUnavailable."""
        with self._db.session() as db:
            now = self._now(db)
            carts, oldest, nothing_ready = self._carts(db, now)
            jobs, oldest_due, waits = self._jobs(db, now)
            alive = Workers.stopped_at.is_null() & (Workers.seen_at >= now - GONE_AFTER)
            return Figures(
                carts=carts,
                oldest_unfinished=oldest,
                nothing_ready=nothing_ready,
                jobs=jobs,
                oldest_due=oldest_due,
                waits=waits,
                space=self._space(db, now),
                recalls=_count(db, Recalls, Recalls.requested_at.is_null(False)),
                notifications=_count(db, Notifications, Notifications.open == 1),
                workers=_count(db, Workers, alive),
                workers_hung=_count(db, Workers, alive & (Workers.hung == 1)),
                paused=frozenset(row[0] for row in Switches.select(Switches.name).tuples().execute(db)),
            )

    def _now(self, db: peewee.Database) -> float:
        return float(peewee.Select(columns=[self._db.now]).tuples().execute(db)[0][0])

    def _carts(self, db: peewee.Database, now: float) -> tuple[dict[str, int], float, float]:
        """Carts by state, the age of the oldest unfinished one, and for how long none became ready."""
        carts = {str(state): _count(db, Carts, (Carts.live == 1) & (Carts.state == state)) for state in CartState}
        # used_at is the time of the POST until the cart is ready, and is indexed.
        oldest = _least(db, Carts.used_at, (Carts.live == 1) & Carts.state.in_(UNFINISHED))
        if oldest is None:
            return carts, 0.0, 0.0
        since = max(self._last_ready(db) or 0.0, oldest)
        return carts, max(0.0, now - oldest), max(0.0, now - since)

    def _last_ready(self, db: peewee.Database) -> float | None:
        """When a cart last became ready; also of one that was deleted since, if that was lately."""
        kept = Carts.select(fn.MAX(Carts.ended_at)).where(Carts.live == 1, Carts.state == CartState.READY)
        last = CartHistory.select(CartHistory.event, CartHistory.at).order_by(CartHistory.id.desc()).limit(LAST_CHANGES)
        changes = last.alias("changes")
        lately = peewee.Select([changes], [fn.MAX(changes.c.at)]).where(changes.c.event == CartState.READY)
        times = [row[0] for query in (kept, lately) for row in query.tuples().execute(db)]
        return max((float(time) for time in times if time is not None), default=None)

    def _jobs(self, db: peewee.Database, now: float) -> tuple[dict[tuple[str, str], int], float, dict[str, Wait]]:
        """Jobs by kind and state, how long one is due already, and what they wait for."""
        state = peewee.Case(None, [(Jobs.lease_until > now, HELD), (Jobs.due_at <= now, DUE)], WAITING)
        # Whatever a job waited for before, it waits for a worker once it is due.
        overdue = (Jobs.lease_until <= now) & (Jobs.due_at < now - SOON)
        word = peewee.Case(None, [(overdue, "")], Jobs.waits_for).alias("waits_for")
        some = Jobs.select(Jobs.kind, state.alias("state"), word, Jobs.waits_since, Jobs.due_at).limit(MOST)
        job = some.alias("some")
        columns = job.c.kind, job.c.state, job.c.waits_for
        query = peewee.Select([job], [*columns, fn.COUNT(1), fn.MIN(job.c.waits_since), fn.MIN(job.c.due_at)])
        rows = list(query.group_by(*columns).tuples().execute(db))
        return _by_kind(rows), _oldest_due(rows, now), _waits(rows, now)

    def _space(self, db: peewee.Database, now: float) -> Space:
        account = Volume.select(Volume.used, Volume.staged).where(Volume.id == 1).tuples().first(db) or (0, 0)
        waiting = (Windows.state == WindowState.TAKEN) & Windows.waits_since.is_null(False)
        found = Windows.select(fn.SUM(Windows.waits_for), fn.MIN(Windows.waits_since)).where(waiting).tuples().first(db)
        wanted, since = found or (None, None)
        used, staged = account
        return Space(used, staged, int(wanted or 0), max(0.0, now - since) if since else 0.0)


def _count(db: peewee.Database, model: Any, which: Any) -> int:
    some = model.select(peewee.SQL("1").alias("one")).where(which).limit(MOST).alias("some")
    return int(peewee.Select([some], [fn.COUNT(1)]).tuples().execute(db)[0][0])


def _least(db: peewee.Database, column: Any, which: Any) -> float | None:
    (found,) = column.model.select(fn.MIN(column)).where(which).tuples().execute(db)[0]
    return None if found is None else float(found)


def _by_kind(rows: list[Any]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for kind, state, _, jobs, _, _ in rows:
        found[kind, state] = found.get((kind, state), 0) + jobs
    return found


def _oldest_due(rows: list[Any], now: float) -> float:
    return max((now - due_at for _, state, _, _, _, due_at in rows if state == DUE), default=0.0)


def _waits(rows: list[Any], now: float) -> dict[str, Wait]:
    """A due job that waits for nothing else waits for a worker."""
    found: dict[str, Wait] = {}
    for _, state, named, jobs, waits_since, due_at in rows:
        waits_for, since = (named, waits_since) if named else (WaitsFor.WORKER if state == DUE else "", due_at)
        if waits_for:
            before = found.get(waits_for, Wait(0, 0.0))
            longest = max(before.longest, now - since) if since is not None else before.longest
            found[str(waits_for)] = Wait(before.jobs + jobs, longest)
    return found
