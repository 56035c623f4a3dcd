"""Expires ready carts whose bundle is unused for BUNDLE_TTL, or does not fit into BUNDLE_LIMIT."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.sweep.policy import RetentionPolicy


class ExpiredBundles:
    """No bundle used within `retention.safe` seconds expires, and none to which a valid URL exists."""

    def __init__(
        self, database: Database, survey: CartSurvey, endings: CartEndings, retention: RetentionPolicy, limit: int
    ) -> None:
        """`limit`: carts looked at in one sweep."""
        self._db = database
        self._survey = survey
        self._endings = endings
        self._retention = retention
        self._limit = limit

    def run(self) -> list[JobMessage]:
        keep = self._retention
        bundles = dict(self._survey.expirable(max(keep.ttl, keep.safe), self._limit))
        if keep.limit:
            bundles |= self._beyond_limit(bundles)
        return [message for cart_id in bundles for message in self._expire(cart_id)]

    def _beyond_limit(self, expiring: dict[int, int]) -> dict[int, int]:
        """Cart -> bytes of the bundles that have to go besides `expiring`, the least recently used first."""
        more: dict[int, int] = {}
        excess = self._survey.bundle_bytes() - self._retention.limit - sum(expiring.values())
        for cart_id, size in self._survey.expirable(self._retention.safe, self._limit):
            if excess <= 0:
                break
            if cart_id not in expiring:
                more[cart_id] = size
                excess -= size
        return more

    def _expire(self, cart_id: int) -> list[JobMessage]:
        return self._db.transaction(lambda: self._endings.expire(cart_id))
