"""What a cart counts for in its owner's usage: `charged` is 1 from its POST until its end, whatever the end is,
and again from a restart.

A cart's row says what is to be given back, so that it is given back once and exactly.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.db.statement import Statement, slot
from chalicelib.stores.owner_usage import OwnerUsageStore


class Charge(NamedTuple):
    """What carts of one owner count for."""

    owner: str = NOBODY
    carts: int = 0
    entries: int = 0
    bundles: int = 0


class CartCharges:
    """Each method runs within the caller's transaction, and locks the owner's row: call it last."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._usage = OwnerUsageStore(database)

    def uncharge(self, cart_id: int) -> Charge:
        """Take the charge off a cart whose row the caller has changed; the owner's usage is the caller's to change."""
        columns = (Carts.owner, Carts.charged, Carts.charged_entries, Carts.charged_bytes)
        charged = (Carts.id == cart_id) & (Carts.charged == 1)
        row = Carts.select(*columns).where(charged).tuples().first(self._db.peewee)
        if row is None:
            return Charge()
        nothing = Carts.update(charged=0, charged_entries=0, charged_bytes=0)
        return Charge(*row) if nothing.where(charged).execute(self._db.peewee) else Charge()

    def give_back(self, owner: str, charge: Charge, uploads: int = 0) -> None:
        """`uploads`: those that the owner has no more."""
        counts = {"carts": charge.carts, "entries": charge.entries, "bundles": charge.bundles}
        self._usage.give_back(owner, **counts, uploads=uploads)

    def settle(self, owner: str, entries: int, replaced: Charge) -> None:
        """Charge a new cart in place of the one that it replaced. Raises LimitReached."""
        self._usage.take(owner, carts=1 - replaced.carts, entries=entries - replaced.entries, bundles=-replaced.bundles)

    def charge_again(self, cart_id: int, owner: str, entries: int) -> None:
        """Charge a cart that had ended and begins again. Raises LimitReached."""
        if owner == NOBODY:
            return
        query = Carts.update(charged=1, charged_entries=entries, charged_bytes=0)
        if query.where(Carts.id == cart_id, Carts.charged == 0).execute(self._db.peewee):
            self._usage.take(owner, carts=1, entries=entries)

    def charge_entries(self, cart_id: int, owner: str, entries: int) -> None:
        """Charge what an uploaded manifest contains. Raises LimitReached."""
        if self._set(cart_id, owner, charged_entries=entries):
            self._usage.take(owner, entries=entries)

    def charge_bundle(self, cart_id: int, owner: str, size: int) -> None:
        """Charge the bundle of a layout. Raises LimitReached."""
        if self._set(cart_id, owner, charged_bytes=size):
            self._usage.take(owner, bundles=size)

    def give_back_bundle(self, cart_id: int, owner: str) -> None:
        """Give back the bundle of a layout that was voided, by which the caller has locked the cart's row."""
        if owner == NOBODY:
            return
        size = Carts.select(Carts.charged_bytes).where(Carts.id == cart_id).scalar(self._db.peewee)
        if self._set(cart_id, owner, charged_bytes=0):
            self._usage.give_back(owner, bundles=int(size))

    def _set(self, cart_id: int, owner: str, **values: int) -> bool:
        if owner == NOBODY:
            return False
        return bool(_setting(tuple(values)).run(self._db, id=cart_id, **values).rowcount)


@functools.cache
def _setting(columns: tuple[str, ...]) -> Statement:
    changes = {name: slot(name) for name in columns}
    return Statement(lambda _: Carts.update(**changes).where(Carts.id == slot("id"), Carts.charged == 1))
