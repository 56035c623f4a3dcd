"""Deletes the rows of shares that ended a while ago; the audit keeps what they were."""

from __future__ import annotations

from chalicelib.stores.cart_shares import CartShareStore


class EndedShares:
    def __init__(self, shares: CartShareStore, kept_for: float, limit: int) -> None:
        """`kept_for`: seconds after the end of a share. `limit`: rows deleted in one sweep."""
        self._shares = shares
        self._kept_for = kept_for
        self._limit = limit

    def run(self) -> int:
        """The number of rows deleted."""
        return self._shares.delete_ended(self._kept_for, self._limit)
