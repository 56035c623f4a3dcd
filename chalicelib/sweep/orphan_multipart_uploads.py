"""Aborts multipart uploads that no cart has recorded: their worker died between starting and recording them."""

from __future__ import annotations

import logging

from chalicelib.aws.bundle_store import BundleStore, cart_of
from chalicelib.errors import StoreUnavailable
from chalicelib.stores.carts import CartStore

log = logging.getLogger(__name__)


class OrphanMultipartUploads:
    def __init__(self, bundles: BundleStore, carts: CartStore, age: float) -> None:
        """`age`: seconds after which no worker will record an upload any more."""
        self._bundles = bundles
        self._carts = carts
        self._age = age

    def run(self) -> None:
        try:
            unfinished = self._bundles.uploads_older_than(self._age)
            recorded = self._carts.upload_ids(cart_of(key) for key, _ in unfinished)
            for key, upload_id in unfinished:
                if upload_id not in recorded:
                    self._bundles.delete(key, upload_id, bundle=False)
                    log.info("aborted an upload of %s that no cart has recorded", key)
        except StoreUnavailable as error:
            log.warning("orphan uploads are left to the next sweep: %s", error)
