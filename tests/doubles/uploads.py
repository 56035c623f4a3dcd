"""Double of chalicelib.stores.uploads.UploadStore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.stores.job_row import NO_CART
from chalicelib.stores.uploads import NEVER, Upload
from tests.doubles.database import MemoryDatabase, UploadRow


class MemoryUploadStore:
    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    def add(self, owner: str, uid: str, token: str, life: float) -> None:
        row_id, now = self._db.next_id(), self._db.now
        row = UploadRow(Upload(row_id, token, "", NO_CART, None), owner, uid, now, now + life)
        self._db.tables.uploads[row_id] = row

    def get(self, upload_id: int) -> Upload | None:
        return self._first(lambda row: row.upload.id == upload_id)

    def find(self, owner: str, uid: str, token: str) -> Upload | None:
        return self._first(lambda row: (row.owner, row.uid, row.upload.token) == (owner, uid, token))

    def newest(self, owner: str, uid: str) -> Upload | None:
        return self._first(lambda row: (row.owner, row.uid) == (owner, uid))

    def unread(self, cart_id: int) -> list[Upload]:
        rows = (row.upload for row in self._db.tables.uploads.values())
        found = [upload for upload in rows if upload.cart_id == cart_id and upload.closed_at is None]
        return sorted(found, key=lambda upload: -upload.id)

    def bind(self, upload_id: int, etag: str, cart_id: int) -> bool:
        return bool(self._change(_is_free, [upload_id], etag=etag, cart_id=cart_id))

    def bind_copy(self, upload_id: int, etag: str, cart_id: int) -> bool:
        return bool(self._change(_is_free, [upload_id], etag=etag, cart_id=cart_id, closed_at=self._db.now))

    def close_of_cart(self, cart_id: int) -> None:
        self._change(lambda row: row.upload.cart_id == cart_id and row.upload.closed_at is None, closed_at=self._db.now)

    def discard(self, owner: str, uid: str) -> int:
        self._change(lambda row: _is_free(row) and (row.owner, row.uid) == (owner, uid), closed_at=self._db.now)
        return 0

    def tokens_of_cart(self, cart_id: int) -> list[str]:
        rows = self._db.tables.uploads.values()
        return [row.upload.token for row in rows if row.upload.cart_id == cart_id and row.url_until > NEVER]

    def delete_of_cart(self, cart_id: int) -> None:
        self._db.require_transaction()
        self._delete(lambda row: row.upload.cart_id == cart_id and row.url_until == NEVER)
        self.close_of_cart(cart_id)
        self._change(lambda row: row.upload.cart_id == cart_id, cart_id=NO_CART)

    def close_abandoned(self, age: float, limit: int) -> None:
        old = [key for key, row in self._db.tables.uploads.items() if _is_free(row) and self._age(row) >= age]
        self._db.transaction(lambda: self._change(_is_free, sorted(old)[:limit], closed_at=self._db.now))

    def expired(self, slack: float, limit: int) -> list[Upload]:
        def is_expired(row: UploadRow) -> bool:
            return row.upload.closed_at is not None and NEVER < row.url_until <= self._db.now - slack

        found = sorted(filter(is_expired, self._db.tables.uploads.values()), key=lambda row: row.url_until)
        return [row.upload for row in found[:limit]]

    def forget(self, upload_ids: Sequence[int]) -> None:
        self._db.require_transaction()
        self._delete(lambda row: row.upload.id in upload_ids and not row.upload.is_bound)
        for key in self._db.tables.uploads.keys() & set(upload_ids):
            self._db.tables.uploads[key] = replace(self._db.tables.uploads[key], url_until=NEVER)

    def _age(self, row: UploadRow) -> float:
        return self._db.now - row.created_at

    def _first(self, condition: Callable[[UploadRow], bool]) -> Upload | None:
        found = [row.upload for row in self._db.tables.uploads.values() if condition(row)]
        return max(found, key=lambda upload: upload.id, default=None)

    def _change(
        self, condition: Callable[[UploadRow], bool], ids: Sequence[int] | None = None, **values: object
    ) -> int:
        self._db.require_transaction()
        rows = self._db.tables.uploads
        found = [key for key, row in rows.items() if condition(row) and (ids is None or key in ids)]
        for key in found:
            rows[key] = replace(rows[key], upload=replace(rows[key].upload, **values))  # type: ignore[arg-type]
        return len(found)

    def _delete(self, condition: Callable[[UploadRow], bool]) -> None:
        for key in [key for key, row in self._db.tables.uploads.items() if condition(row)]:
            del self._db.tables.uploads[key]


def _is_free(row: UploadRow) -> bool:
    return not row.upload.is_bound and row.upload.closed_at is None
