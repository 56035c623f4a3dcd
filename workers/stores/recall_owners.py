"""Changes recalls together with the usage of their owners, who may have only so many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.caller import NOBODY
from chalicelib.db.database import Database
from chalicelib.db.volume_models import Recalls
from chalicelib.stores.owner_usage import OwnerUsageStore


class RecallOwners:
    """Each method runs within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._usage = OwnerUsageStore(database)

    def delete(self, *which: Any) -> int:
        """Delete recalls, and give them back to their owners; return how many they were."""
        return self._end(which, lambda: Recalls.delete())

    def release(self, *which: Any, **values: Any) -> int:
        """Set `values` for recalls that no longer count in anybody's usage; return how many they are."""
        return self._end(which, lambda: Recalls.update(owner=NOBODY, **values))

    def take(self, owner: str, count: int) -> None:
        """Count more recalls, as the transaction's last statement. Raises LimitReached."""
        self._usage.take(owner, recalls=count)

    def room(self, owner: str) -> int | None:
        """How many more files the owner may have recalled; None for any number."""
        limit = self._usage.limits(owner).recalls if owner != NOBODY else 0
        return max(0, limit - self._usage.used(owner)["recalls"]) if limit else None

    def _end(self, which: tuple[Any, ...], query: Callable[[], Any]) -> int:
        counted = Recalls.select(Recalls.owner).distinct().where(*which, Recalls.owner != NOBODY)
        owners = sorted(row[0] for row in counted.tuples().execute(self._db.peewee))
        # Nobody's first: afterwards those of the owners may be nobody's, too.
        ended = {
            owner: int(query().where(*which, Recalls.owner == owner).execute(self._db.peewee))
            for owner in (NOBODY, *owners)
        }
        for owner, count in sorted(ended.items()):
            self._usage.give_back(owner, recalls=count)
        return sum(ended.values())
