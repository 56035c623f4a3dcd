"""Carts as an operator looks for them, of every owner, also those that clients see no more. It writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.stores.cart_row import UNFINISHED
from chalicelib.stores.waiting_jobs import waits_for

PAGE = 500  # rows of one statement of `everything`


@dataclass(frozen=True, slots=True)
class FoundCart:
    """Part of a row of carts. `live`: 1 unless it was deleted or replaced. Times: seconds since the epoch; bytes."""

    id: int
    owner: str
    uid: str
    live: int | None
    state: str
    message: str
    files_total: int
    files_staged: int
    bytes_total: int
    bytes_staged: int
    bundle_size: int
    bundle_bytes: int
    created_at: float
    staging_at: float | None
    bundling_at: float | None
    ended_at: float | None
    expired_at: float | None
    deleted_at: float | None
    used_at: float
    request: str


@dataclass(frozen=True, slots=True)
class CartFilter:
    """Which carts; None and void for any. `before`: posted before this time; `gone`: also those no longer live."""

    states: Collection[str] = ()
    owner: str | None = None
    waits_for: str | None = None
    before: float | None = None
    gone: bool = False


_COLUMNS = [getattr(Carts, field.name) for field in dataclasses.fields(FoundCart)]


class CartSearch:
    def __init__(self, database: Database) -> None:
        self._db = database

    def search(self, wanted: CartFilter, most: int) -> list[FoundCart]:
        """Up to `most` carts, the newest first."""
        query = Carts.select(*_COLUMNS).where(*self._conditions(wanted)).order_by(Carts.id.desc()).limit(most)
        return self._found(query)

    def of_uid(self, uid: str, owner: str | None, gone: bool, most: int) -> list[FoundCart]:
        """Up to `most` carts of this uid, the newest first; `gone`: also those no longer live.

        Without an owner, the database reads the whole index of owners and uids: a second for millions of carts.
        """
        named = Carts.select(Carts.id).where(Carts.uid == uid)
        named = named if owner is None else named.where(Carts.owner == owner)
        named = named if gone else named.where(Carts.live == 1)
        with self._db.session() as db:
            ids = [row[0] for row in named.order_by(Carts.id.desc()).limit(most).tuples().execute(db)]
        return self._found(Carts.select(*_COLUMNS).where(Carts.id.in_(ids)).order_by(Carts.id.desc())) if ids else []

    def get(self, cart_id: int) -> FoundCart | None:
        """A cart by its row, live or not."""
        return next(iter(self._found(Carts.select(*_COLUMNS).where(Carts.id == cart_id))), None)

    def oldest_unfinished(self) -> FoundCart | None:
        """The unfinished cart that was posted first."""
        # used_at is the time of the POST until the cart is ready, so the index carts_expiry serves here.
        unfinished = (Carts.live == 1) & Carts.state.in_(UNFINISHED)
        query = Carts.select(*_COLUMNS).where(unfinished).order_by(Carts.used_at).limit(1)
        return next(iter(self._found(query)), None)

    def everything(self) -> Iterator[FoundCart]:
        """Every row, the lowest id first, page by page: any number fits into memory."""
        after = 0
        while rows := self._found(Carts.select(*_COLUMNS).where(Carts.id > after).order_by(Carts.id).limit(PAGE)):
            yield from rows
            after = rows[-1].id

    def _conditions(self, wanted: CartFilter) -> list[Any]:
        conditions: list[Any] = [Carts.id > 0]
        if not wanted.gone:
            conditions.append(Carts.live == 1)
        if wanted.states:
            conditions.append(Carts.state.in_(sorted(wanted.states)))
        if wanted.owner is not None:
            conditions.append(Carts.owner == wanted.owner)
        if wanted.before is not None:
            conditions.append(Carts.created_at <= wanted.before)
        if wanted.waits_for is not None:
            waiting = Jobs.select(Jobs.cart_id).where(waits_for(self._db.now) == wanted.waits_for)
            conditions += [Carts.state.in_(UNFINISHED), Carts.id.in_(waiting)]
        return conditions

    def _found(self, query: Any) -> list[FoundCart]:
        with self._db.session() as db:
            return [FoundCart(*row) for row in query.tuples().execute(db)]
