"""Completes a bundle from its uploaded parts."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.aws.bundle_store import BundleStore, ObjectMissing, Part, key_of
from chalicelib.errors import LayoutChanged
from chalicelib.stores.cart_row import Cart
from workers.bundling.upload import LISTED, UPLOAD_LOST, Bundle, named_checksum
from workers.files import crc64nvme
from workers.stores.windows import WindowStore


class BundleCompleter:
    def __init__(self, bundles: BundleStore, windows: WindowStore) -> None:
        self._bundles = bundles
        self._windows = windows

    def complete(self, cart: Cart) -> Bundle:
        """Complete the multipart upload; all windows must be done. Safe to repeat.

        Raises LayoutChanged when the upload is lost, or its parts do not add up to the bundle.
        """
        key = key_of(cart.id, cart.attempt)
        value = crc64nvme.concatenate(self._windows.checksums(cart.id))
        parts = self._parts(key, cart.upload_id)
        if parts and sum(part.size for part in parts) != cart.bundle_size:
            raise LayoutChanged("its parts in the store do not add up to the bundle")
        if parts:
            stored = self._bundles.complete(key, cart.upload_id, parts, crc64nvme.to_header(value))
        else:
            stored = self._bundles.find(key)
        if stored is None or stored.size != cart.bundle_size:
            raise LayoutChanged(UPLOAD_LOST)
        return Bundle(stored.size, stored.etag, named_checksum(value))

    def _parts(self, key: str, upload_id: str) -> list[Part]:
        """All parts of the upload; none when it was completed before, or aborted."""
        try:
            return list(self._pages(key, upload_id))
        except ObjectMissing:
            return []

    def _pages(self, key: str, upload_id: str) -> Iterator[Part]:
        after = 0
        while listed := self._bundles.parts(key, upload_id, after, LISTED):
            yield from listed
            after = listed[-1].number
