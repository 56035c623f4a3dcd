"""What each owner uses, one row an owner: the only writer of owner_usage.

Every figure is changed by one guarded UPDATE in the transaction of what it counts, as the last row that the transaction
locks: so it is locked for the length of a commit, and two transactions never wait for each other's owner and another
row. Nobody (owner "") has no row and no limits.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from operator import or_
from typing import Any

import peewee
from peewee import fn

from chalicelib.caller import NOBODY, Caller
from chalicelib.config.owner_limits import NAMES, OwnerLimits
from chalicelib.db.access_models import OwnerUsage
from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Uploads, Windows
from chalicelib.db.statement import Statement, slot
from chalicelib.db.volume_models import Recalls
from chalicelib.errors import TooManyRequests
from chalicelib.stores.limit_messages import reached

FIGURES = tuple(name for name in NAMES if name != "posts")
MINUTE = 60
_LIMITS = tuple(getattr(OwnerUsage, f"limit_{name}") for name in NAMES)


class OwnerUsageStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def count_post(self, caller: Caller, limits: OwnerLimits, now: float) -> None:
        """Count a POST in this minute, and remember the caller's groups and limits; a transaction of its own.

        `now`: seconds since the epoch. Raises TooManyRequests.
        """
        if caller.owner == NOBODY:
            return
        # One statement as a rule: the row is there and has these groups and limits.
        if not self._count(now, caller, limits, known=True):
            self.remember(caller, limits)
            # Whatever the row has: another login of this owner, with other groups, may have posted meanwhile.
            if not self._count(now, caller, limits, known=False):
                left = max(1, math.ceil(MINUTE - now % MINUTE))
                message = f"You have sent {limits.posts} POSTs in this minute, the limit; go on in {left} s."
                raise TooManyRequests(message, left)

    def remember(self, caller: Caller, limits: OwnerLimits) -> None:
        """Record the groups and limits of an owner, so that workers know them; writes only what is new."""
        if caller.owner == NOBODY:
            return
        known = _known(caller.groups, limits)
        with self._db.writing() as db:
            if OwnerUsage.select(OwnerUsage.owner).where(*_matches(caller, limits)).exists(db):
                return
            query = OwnerUsage.insert(owner=caller.owner, **known)
            columns = [getattr(OwnerUsage, name) for name in known]
            self._db.upsert(query, [OwnerUsage.owner], columns).execute(db)

    def remember_groups(self, owner: str, groups: Sequence[str]) -> None:
        """Record the groups of an owner alone; writes only what is new."""
        if owner == NOBODY or self.groups_of(owner) == tuple(sorted(set(groups))):
            return
        query = OwnerUsage.insert(owner=owner, member_of=_written(groups))
        with self._db.writing() as db:
            self._db.upsert(query, [OwnerUsage.owner], [OwnerUsage.member_of]).execute(db)

    def groups_of(self, owner: str) -> tuple[str, ...]:
        """The owner's groups at its last POST or download."""
        with self._db.session() as db:
            row = OwnerUsage.select(OwnerUsage.member_of).where(OwnerUsage.owner == owner).tuples().first(db)
        return tuple(json.loads(row[0])) if row and row[0] else ()

    def take(self, owner: str, **more: int) -> None:
        """Change the owner's figures, within the caller's transaction, as its last statement.

        A figure may only grow within its limit. Raises LimitReached, which must roll the transaction back.
        """
        changes = {name: count for name, count in more.items() if count}
        if owner == NOBODY or not changes:
            return
        if not self._change(owner, changes):
            self._insert_missing(owner)
            if not self._change(owner, changes):
                raise reached(changes, self.used(owner), self.limits(owner))

    def give_back(self, owner: str, **less: int) -> None:
        """Undo a `take`, within the caller's transaction."""
        self.take(owner, **{name: -count for name, count in less.items()})

    def used(self, owner: str) -> dict[str, int]:
        """Each figure, by name."""
        columns = [getattr(OwnerUsage, name) for name in FIGURES]
        with self._db.session() as db:
            row = OwnerUsage.select(*columns).where(OwnerUsage.owner == owner).tuples().first(db)
        return {name: max(0, int(count)) for name, count in zip(FIGURES, row or [0] * len(FIGURES), strict=True)}

    def limits(self, owner: str) -> OwnerLimits:
        """The limits in force: those of its last POST."""
        with self._db.session() as db:
            row = OwnerUsage.select(*_LIMITS).where(OwnerUsage.owner == owner).tuples().first(db)
        return OwnerLimits(*map(int, row)) if row else OwnerLimits()

    def posts(self, owner: str, now: float) -> int:
        """POSTs in this minute."""
        mine = (OwnerUsage.owner == owner) & OwnerUsage.posts_minute.between(*_minutes(now))
        with self._db.session() as db:
            row = OwnerUsage.select(OwnerUsage.posts).where(mine).tuples().first(db)
        return int(row[0]) if row else 0

    def lock(self, owner: str) -> None:
        """Lock the owner's row for the rest of the caller's transaction, and note that it was reconciled."""
        query = OwnerUsage.update(reconciled_at=self._db.now).where(OwnerUsage.owner == owner)
        query.execute(self._db.peewee)

    def recomputed(self, owner: str) -> dict[str, int]:
        """The figures as the rows of all tables have them. Call it under the lock, which everybody takes last."""
        carts = (fn.COUNT(Carts.id), fn.SUM(Carts.charged_entries), fn.SUM(Carts.charged_bytes))
        live = Carts.select(*carts).where(Carts.owner == owner, Carts.charged == 1)
        mine = Windows.select(fn.SUM(Windows.charged_bytes)).join(Carts, on=Carts.id == Windows.cart_id)
        staging = mine.where(Carts.owner == owner, Carts.cleared_at.is_null())
        recalls = Recalls.select(fn.COUNT(Recalls.archive_id)).where(Recalls.owner == owner)
        uploads = Uploads.select(fn.COUNT(Uploads.id)).where(Uploads.owner == owner, Uploads.charged == 1)
        found = [query.tuples().first(self._db.peewee) for query in (live, staging, recalls, uploads)]
        return dict(zip(FIGURES, (int(count or 0) for row in found for count in row), strict=True))

    def correct(self, owner: str, figures: dict[str, int]) -> bool:
        """Set the figures, under the lock; whether any was another."""
        other = functools.reduce(or_, [getattr(OwnerUsage, name) != count for name, count in figures.items()])
        query = OwnerUsage.update(**figures).where(OwnerUsage.owner == owner, other)
        return bool(query.execute(self._db.peewee))

    def to_reconcile(self, every: float, limit: int) -> list[str]:
        """Owners that were not reconciled for `every` seconds, up to `limit`, the longest ago first."""
        due = OwnerUsage.reconciled_at <= self._db.now - every
        query = OwnerUsage.select(OwnerUsage.owner).where(due).order_by(OwnerUsage.reconciled_at).limit(limit)
        with self._db.session() as db:
            return [row[0] for row in query.tuples().execute(db)]

    def _count(self, now: float, caller: Caller, limits: OwnerLimits, *, known: bool) -> bool:
        """`known`: only if the row has the caller's groups and limits."""
        minute, until = _minutes(now)
        values = _known(caller.groups, limits) if known else {}
        shape = tuple((name, value is None) for name, value in values.items())
        given = {"minute": minute, "until": until, "posts": limits.posts, "user": caller.owner, **values}
        with self._db.writing():
            return bool(_counting(shape, bool(limits.posts)).run(self._db, **given).rowcount)

    def _change(self, owner: str, changes: dict[str, int]) -> bool:
        statement = _changing(tuple(changes), tuple(name for name, count in changes.items() if count > 0))
        return bool(statement.run(self._db, user=owner, **changes).rowcount)

    def _insert_missing(self, owner: str) -> None:
        """A row without limits, unless there is one: those that the owner has come with its next POST."""
        query = OwnerUsage.insert(owner=owner)
        same = {OwnerUsage.carts: OwnerUsage.carts}
        self._db.upsert(query, [OwnerUsage.owner], [], same).execute(self._db.peewee)


@functools.cache
def _counting(known: tuple[tuple[str, bool], ...], limited: bool) -> Statement:
    """Count a POST in the row of an owner that has these columns as given; of those with True, NULL."""
    which = [OwnerUsage.owner == slot("user")]
    which += [getattr(OwnerUsage, name) == (None if is_null else slot(name)) for name, is_null in known]
    same = OwnerUsage.posts_minute.between(slot("minute"), slot("until"))
    room = [(OwnerUsage.posts < slot("posts")) | ~same] if limited else []
    # In the order of the columns, MySQL sees the earlier assignments: `posts` is before `posts_minute`.
    posts = peewee.Case(None, [(same, OwnerUsage.posts + 1)], 1)
    posts_minute = peewee.Case(None, [(same, OwnerUsage.posts_minute)], slot("minute"))
    return Statement(lambda _: OwnerUsage.update(posts=posts, posts_minute=posts_minute).where(*which, *room))


@functools.cache
def _changing(figures: tuple[str, ...], growing: tuple[str, ...]) -> Statement:
    """Add to these figures of an owner, as far as there is room for those that grow."""
    columns = {name: getattr(OwnerUsage, name) for name in figures}
    guards = [_room(name, slot(name)) for name in growing]
    changes = {column: column + slot(name) for name, column in columns.items()}
    return Statement(lambda _: OwnerUsage.update(changes).where(OwnerUsage.owner == slot("user"), *guards))


def _room(name: str, count: Any) -> Any:
    used, limit = getattr(OwnerUsage, name), getattr(OwnerUsage, f"limit_{name}")
    room = (limit == 0) | (used + count <= limit)
    return room | (used <= 0) if name == "staging" else room  # a window above the limit passes alone


def _minutes(now: float) -> tuple[int, int]:
    """This minute since the epoch, and the next: the clock of another process may be ahead."""
    return int(now // MINUTE), int(now // MINUTE) + 1


def _known(groups: Sequence[str], limits: OwnerLimits) -> dict[str, Any]:
    return {"member_of": _written(groups)} | {f"limit_{name}": limit for name, limit in asdict(limits).items()}


def _written(groups: Sequence[str]) -> str | None:
    return json.dumps(sorted(set(groups))) if groups else None


def _matches(caller: Caller, limits: OwnerLimits) -> list[Any]:
    known = _known(caller.groups, limits)
    return [OwnerUsage.owner == caller.owner, *(getattr(OwnerUsage, name) == value for name, value in known.items())]
