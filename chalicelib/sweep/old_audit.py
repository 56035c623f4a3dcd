"""Deletes what is older than AUDIT_DAYS: whole seals with their records, the oldest first, and counts of refusals."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.stores.seals import SealStore


class OldAudit:
    def __init__(
        self,
        database: Database,
        seals: SealStore,
        refusals: RefusalCountStore,
        kept_for: float,
        limit: int,
        counts: int,
    ) -> None:
        """`kept_for`: seconds. `limit`: seals, and `counts`: counts of refusals, deleted in one sweep."""
        self._db = database
        self._seals = seals
        self._refusals = refusals
        self._kept_for = kept_for
        self._limit = limit
        self._counts = counts

    def run(self) -> int:
        """The number of seals deleted."""
        old = self._seals.old(self._kept_for, self._limit)
        for seal_id in old:
            self._delete(seal_id)
        self._refusals.delete_old(self._kept_for, self._counts)
        return len(old)

    def _delete(self, seal_id: int) -> None:
        self._db.transaction(lambda: self._seals.delete(seal_id))
