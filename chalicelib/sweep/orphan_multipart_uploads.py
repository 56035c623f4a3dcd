"""Aborts multipart uploads that no cart has recorded: their worker died between starting and recording them."""

from __future__ import annotations

import logging

from chalicelib.aws.bundle_store import BundleStore, cart_of
from chalicelib.stores.cart_survey import CartSurvey

log = logging.getLogger(__name__)


class OrphanMultipartUploads:
    def __init__(self, bundles: BundleStore, survey: CartSurvey, age: float) -> None:
        """`age`: seconds after which no worker will record an upload any more."""
        self._bundles = bundles
        self._survey = survey
        self._age = age

    def run(self) -> int:
        """The number of uploads aborted."""
        unfinished = self._bundles.uploads_older_than(self._age)
        recorded = self._survey.upload_ids(cart_of(key) for key, _ in unfinished)
        orphans = [(key, upload_id) for key, upload_id in unfinished if upload_id not in recorded]
        for key, upload_id in orphans:
            self._bundles.abort_upload(key, upload_id)
            log.info("aborted an upload of %s that no cart has recorded", key)
        return len(orphans)
