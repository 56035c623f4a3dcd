"""Puts off the deadlines of carts that could not go on during a pause."""

from __future__ import annotations

import peewee

from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.stores.cart_row import UNFINISHED


class PausedCarts:
    def __init__(self, database: Database) -> None:
        self._db = database

    def put_off_deadlines(self, since: float) -> int:
        """Let the time since then not count, within the caller's transaction; return the number of carts."""
        now = self._db.now  # until a cart is ready, `used_at` is when its deadline began to run
        later = peewee.Case(None, [(Carts.used_at < since, Carts.used_at + (now - since))], now)
        query = Carts.update(used_at=later).where(Carts.live == 1, Carts.state.in_(UNFINISHED))
        return int(query.execute(self._db.peewee))
