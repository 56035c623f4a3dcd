"""Recomputes what owners use from the rows that count. A difference is a fault, so it is logged as one."""

from __future__ import annotations

import logging

from chalicelib.db.database import Database
from chalicelib.stores.owner_usage import OwnerUsageStore

log = logging.getLogger(__name__)


class ReconcileUsage:
    def __init__(self, database: Database, usage: OwnerUsageStore, every: float, limit: int) -> None:
        """`every`: seconds between two looks at an owner. `limit`: owners in one sweep."""
        self._db = database
        self._usage = usage
        self._every = every
        self._limit = limit

    def run(self) -> int:
        """The number of owners whose figures were wrong."""
        due = self._usage.to_reconcile(self._every, self._limit)
        return sum(self._db.transaction(lambda owner=owner: self._reconcile(owner)) for owner in due)  # type: ignore[misc]

    def _reconcile(self, owner: str) -> int:
        self._usage.lock(owner)
        had, right = self._usage.used(owner), self._usage.recomputed(owner)
        if not self._usage.correct(owner, right):
            return 0
        log.warning("the usage of %r was %s, and is %s", owner, had, right)
        return 1
