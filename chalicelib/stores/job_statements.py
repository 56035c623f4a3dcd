"""The statements on the jobs' table that every cart needs several times, built once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.db.statement import Statement, slot
from chalicelib.stores.job_row import Job
from chalicelib.stores.job_waits import NO_WAIT
from chalicelib.stores.turns import is_due, is_small, line_of

_PROGRESS = {"attempts": 0, **NO_WAIT}
_OF_CART = {
    name: peewee.fn.COALESCE(Carts.select(getattr(Carts, name)).where(Carts.id == Jobs.cart_id), "")
    for name in ("uid", "owner")
}
#: The fields of a Job, in order.
_COLUMNS = [
    _OF_CART[field.name] if field.name in _OF_CART else getattr(Jobs, field.name) for field in dataclasses.fields(Job)
]


class JobStatements:
    """The values of each: `id` and `token`, unless it says others."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._adding: dict[str, Statement] = {}
        #: Reads a job that is due. One that another worker is claiming has its lock, and is skipped.
        self.free = Statement(self._free)
        #: Holds the job `id`.
        self.take = Statement(self._taking)
        #: Deletes the job.
        self.end = Statement(lambda _: Jobs.delete().where(_MINE))
        #: Renews the job's live lease, and sets `kind` and `window`.
        self.keep = Statement(lambda database: self._keeping(database, {}))
        #: As `keep`, and the job has made progress.
        self.progress = Statement(
            lambda database: self._keeping(database, {**_PROGRESS, "progress_at": database.now}),
        )

    def add(self, kind: str) -> Statement:
        """Inserts a job of this kind that is due now; of `cart_id` and `window`."""
        return self._adding.setdefault(kind, Statement(lambda database: self._addition(database, kind)))

    def held_from(self, now: Any) -> dict[str, Any]:
        """What a lease that begins at the time `now` sets."""
        until = now + self._lease
        return {"lease_until": until, "next_send_at": until, "due_at": until, "ready": 0}

    def _free(self, database: Database) -> Any:
        query: Any = Jobs.select(*_COLUMNS).where(_MINE, is_due(database.now, self._lease))
        return query.for_update("FOR UPDATE SKIP LOCKED") if database.is_mysql else query

    def _taking(self, database: Database) -> Any:
        held = {**self.held_from(database.now), "sends": 0, "has_message": 1}
        return Jobs.update(token=Jobs.token + 1, attempts=Jobs.attempts + 1, **held).where(Jobs.id == slot("id"))

    def _keeping(self, database: Database, changes: Mapping[str, Any]) -> Any:
        """An expired lease is never revived: another worker may have acted since."""
        becoming = {name: slot(name) for name in ("kind", "window")}
        query = Jobs.update(**becoming, **self.held_from(database.now), **changes)
        return query.where(_MINE, Jobs.lease_until > database.now)

    def _addition(self, database: Database, kind: str) -> Any:
        now, cart_id = database.now, slot("cart_id")
        turn = {"due_at": now, "ready": 1, "line": line_of(cart_id, kind), "small": is_small(cart_id, kind)}
        times = {"next_send_at": now + self._lease, "progress_at": now}
        request = peewee.fn.COALESCE(Carts.select(Carts.request).where(Carts.id == cart_id), "")
        return Jobs.insert(kind=kind, cart_id=cart_id, window=slot("window"), request=request, **turn, **times)


_MINE = (Jobs.id == slot("id")) & (Jobs.token == slot("token"))
