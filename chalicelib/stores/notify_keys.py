"""The public keys that receivers verify webhooks with. Workers publish theirs; the API serves them all."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.db.operating_models import NotifyKeys


class NotifyKeyStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def publish(self, public_key: str, kept_for: float) -> None:
        """Record that a worker signs with this key; forget keys that none has signed with for `kept_for` seconds."""
        now = self._db.now
        with self._db.writing() as db:
            NotifyKeys.insert(public_key=public_key, seen_at=now).on_conflict_replace().execute(db)
            NotifyKeys.delete().where(NotifyKeys.seen_at < now - kept_for).execute(db)

    def all(self) -> list[str]:
        """Base64, the newest first: a key that is no longer used verifies what it has signed."""
        query = NotifyKeys.select(NotifyKeys.public_key).order_by(NotifyKeys.seen_at.desc(), NotifyKeys.public_key)
        with self._db.session() as db:
            return [row[0] for row in query.tuples().execute(db)]

    def is_signed(self, within: float) -> bool:
        """Whether a worker has had a key within so many seconds."""
        query = NotifyKeys.select().where(NotifyKeys.seen_at >= self._db.now - within)
        with self._db.session() as db:
            return bool(query.exists(db))
