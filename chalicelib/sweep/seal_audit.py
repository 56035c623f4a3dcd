"""Seals audit records: chains them by hashes, so that `audit verify` notices what was changed afterwards."""

from __future__ import annotations

import logging

from chalicelib.stores.seals import SealStore

log = logging.getLogger(__name__)


class SealAudit:
    def __init__(self, seals: SealStore, age: float, batch: int, batches: int) -> None:
        """`age`: seconds a record stays unsealed, so that seals are few. `batches`: seals made by one sweep, of up to
        `batch` records each.
        """
        self._seals = seals
        self._age = age
        self._batch = batch
        self._batches = batches

    def run(self) -> int:
        """The number of records sealed."""
        sealed = 0
        for _ in range(self._batches):
            record_ids = self._seals.unsealed(self._age, self._batch)
            seal = self._seals.seal(record_ids) if record_ids else None
            if seal is None:  # nothing to do, or another sweep does it
                break
            # A copy of the hash outside of the database: docs/audit.md says what for.
            log.info("audit seal %d: %d records up to %d, hash %s", seal.id, seal.records, seal.last_id, seal.hash)
            sealed += seal.records
            if len(record_ids) < self._batch:
                break
        return sealed
