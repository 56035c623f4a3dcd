"""Deletes notifications that were delivered or given up a while ago."""

from __future__ import annotations

from chalicelib.stores.outbox import OutboxStore


class OldNotifications:
    def __init__(self, outbox: OutboxStore, kept_for: float, limit: int) -> None:
        """`kept_for`: seconds after the end of a notification. `limit`: rows deleted in one sweep."""
        self._outbox = outbox
        self._kept_for = kept_for
        self._limit = limit

    def run(self) -> int:
        """The number of rows deleted."""
        return self._outbox.delete_over(self._kept_for, self._limit)
