"""The upload store: the only writer of uploads, one row for each URL that was handed out for a manifest.

A row is open until its upload is discarded, or read, or its cart ends; then it is closed for good. An open row that
belongs to no cart can be bound to one, once. The row outlives its URL: until then anyone who has the URL can write the
object, so the sweep deletes the object afterwards.

        add             -> open, no cart
        bind            open, no cart -> open, its cart
        close_of_cart   open, its cart -> closed
        discard, close_abandoned
                        open, no cart -> closed
        forget          closed, URL expired -> no row; with a cart: `url_until` = 0, and the row stays with the cart
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database
from chalicelib.db.models import Uploads
from chalicelib.stores.job_row import NO_CART
from chalicelib.stores.owner_usage import OwnerUsageStore

NEVER = 0  # url_until of an upload whose object is gone and cannot come back


@dataclass(frozen=True, slots=True)
class Upload:
    """One row of uploads. `etag`: of the content its cart was made from. `closed_at`: seconds since the epoch."""

    id: int
    token: str
    etag: str
    cart_id: int
    closed_at: float | None

    @property
    def is_bound(self) -> bool:
        return self.cart_id != NO_CART


_COLUMNS = [getattr(Uploads, field.name) for field in dataclasses.fields(Upload)]
_OPEN = Uploads.closed_at.is_null()
_UNBOUND = Uploads.cart_id == NO_CART


class UploadStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._usage = OwnerUsageStore(database)

    def add(self, owner: str, uid: str, token: str, life: float) -> None:
        """Record an upload whose URL is valid for `life` seconds, within the caller's transaction if there is one.

        Raises LimitReached.
        """

        def write() -> None:
            now = self._db.now
            times = {"created_at": now, "url_until": now + life}
            charged = int(owner != NOBODY)
            Uploads.insert(owner=owner, uid=uid, token=token, charged=charged, **times).execute(self._db.peewee)
            self._usage.take(owner, uploads=charged)

        with self._db.writing() as db:
            write() if db.in_transaction() or owner == NOBODY else self._db.transaction(write)

    def get(self, upload_id: int) -> Upload | None:
        return self._first(Uploads.id == upload_id)

    def find(self, owner: str, uid: str, token: str) -> Upload | None:
        """The upload of this owner and uid that has this token."""
        return self._first(Uploads.token == token, Uploads.owner == owner, Uploads.uid == uid)

    def newest(self, owner: str, uid: str) -> Upload | None:
        """The upload whose URL was handed out last."""
        return self._first(Uploads.owner == owner, Uploads.uid == uid)

    def unread(self, cart_id: int) -> list[Upload]:
        """The uploads a cart can still be read from, all with the same content when they were bound; newest first."""
        query = Uploads.select(*_COLUMNS).where(Uploads.cart_id == cart_id, _OPEN).order_by(Uploads.id.desc())
        with self._db.session() as db:
            return [Upload(*row) for row in query.tuples().execute(db)]

    def bind(self, upload_id: int, etag: str, cart_id: int) -> bool:
        """Bind an upload to a cart that is to be read from it, within the caller's transaction.

        False if it is bound or closed already.
        """
        return self._bind(upload_id, etag=etag, cart_id=cart_id)

    def bind_copy(self, upload_id: int, etag: str, cart_id: int) -> bool:
        """Like `bind`, to a cart that has been read from the same content: nobody needs to read the upload."""
        return self._bind(upload_id, etag=etag, cart_id=cart_id, closed_at=self._db.now)

    def close_of_cart(self, cart_id: int) -> None:
        """Close the upload of a cart that was read or has ended, within the caller's transaction."""
        Uploads.update(closed_at=self._db.now).where(Uploads.cart_id == cart_id, _OPEN).execute(self._db.peewee)

    def discard(self, owner: str, uid: str) -> int:
        """Close the uploads of this uid that no cart was made from, within the caller's transaction.

        Returns how many of them counted in the owner's usage: the caller gives them back.
        """
        return self._close(owner, Uploads.owner == owner, Uploads.uid == uid)

    def tokens_of_cart(self, cart_id: int) -> list[str]:
        """The tokens of a cart's uploads whose objects may still be in the store."""
        query = Uploads.select(Uploads.token).where(Uploads.cart_id == cart_id, Uploads.url_until > NEVER)
        with self._db.session() as db:
            return [row[0] for row in query.tuples().execute(db)]

    def delete_of_cart(self, cart_id: int) -> None:
        """Delete the rows of a cart's uploads, within the caller's transaction.

        A row whose object may still be in the store stays until the sweep has deleted the object.
        """
        mine = Uploads.cart_id == cart_id
        self.close_of_cart(cart_id)
        # In this order: a row that `forget` changes meanwhile is deleted by one of the two.
        Uploads.update(cart_id=NO_CART).where(mine, Uploads.url_until > NEVER).execute(self._db.peewee)
        Uploads.delete().where(mine).execute(self._db.peewee)

    def close_abandoned(self, age: float, limit: int) -> None:
        """Close up to `limit` uploads from which no cart was made within `age` seconds."""
        old = (_UNBOUND, _OPEN, Uploads.created_at <= self._db.now - age)
        query = Uploads.select(Uploads.id, Uploads.owner).where(*old).order_by(Uploads.id).limit(limit)
        ids: dict[str, list[int]] = {}
        with self._db.session() as db:
            for upload_id, owner in query.tuples().execute(db):
                ids.setdefault(owner, []).append(upload_id)
        for owner, these in ids.items():
            self._db.transaction(lambda owner=owner, these=these: self._give_up(owner, these))  # type: ignore[misc]

    def expired(self, slack: float, limit: int) -> list[Upload]:
        """Up to `limit` closed uploads whose URL expired more than `slack` seconds ago."""
        expired = Uploads.url_until.between(NEVER + 1, self._db.now - slack) & Uploads.closed_at.is_null(False)
        query = Uploads.select(*_COLUMNS).where(expired).order_by(Uploads.url_until).limit(limit)
        with self._db.session() as db:
            return [Upload(*row) for row in query.tuples().execute(db)]

    def forget(self, upload_ids: Sequence[int]) -> None:
        """Record that the objects of these closed, expired uploads are gone, within the caller's transaction."""
        these = Uploads.id.in_(list(upload_ids))
        Uploads.update(url_until=NEVER).where(these, Uploads.cart_id != NO_CART).execute(self._db.peewee)
        Uploads.delete().where(these, _UNBOUND).execute(self._db.peewee)

    def _bind(self, upload_id: int, **values: Any) -> bool:
        query = Uploads.update(**values).where(Uploads.id == upload_id, _UNBOUND, _OPEN)
        if not query.execute(self._db.peewee):
            return False
        if self._uncharge(Uploads.id == upload_id):
            owner = Uploads.select(Uploads.owner).where(Uploads.id == upload_id).scalar(self._db.peewee)
            self._usage.give_back(owner, uploads=1)
        return True

    def _give_up(self, owner: str, ids: Sequence[int]) -> None:
        self._usage.give_back(owner, uploads=self._close(owner, Uploads.id.in_(list(ids))))

    def _close(self, owner: str, *which: Any) -> int:
        """Close those of these uploads that are free; how many of them were charged."""
        free = (*which, _UNBOUND, _OPEN)
        charged = self._uncharge(*free) if owner != NOBODY else 0
        Uploads.update(closed_at=self._db.now).where(*free).execute(self._db.peewee)
        return charged

    def _uncharge(self, *which: Any) -> int:
        return int(Uploads.update(charged=0).where(*which, Uploads.charged == 1).execute(self._db.peewee))

    def _first(self, *conditions: Any) -> Upload | None:
        query = Uploads.select(*_COLUMNS).where(*conditions).order_by(Uploads.id.desc())
        with self._db.session() as db:
            row = query.tuples().first(db)
        return Upload(*row) if row else None
