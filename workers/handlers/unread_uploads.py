"""The upload a cart's manifest is read from, until it has been read or its cart has ended."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.aws.bundle_store import ObjectChanged, ObjectMissing
from chalicelib.aws.manifest_uploads import ManifestUploadStore, former_key, upload_key
from chalicelib.caller import NOBODY
from chalicelib.errors import PermanentError, StoreUnavailable
from chalicelib.manifest.options import Options
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.manifest_row import UPLOAD_DIGEST
from chalicelib.stores.uploads import UploadStore

GONE = "manifest: what was uploaded is gone from the store; upload and post it again"
CHANGED = "manifest: what was uploaded was overwritten after it was posted; upload and post it again, under a new URL"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Objects of the store with the same content, their ETag when they were posted, and the options of the POST."""

    keys: Sequence[str]
    etag: str
    posted: Options


class UnreadUploads:
    def __init__(self, uploads: UploadStore, manifests: ManifestUploadStore) -> None:
        self._uploads = uploads
        self._manifests = manifests

    def source(self, cart: Cart) -> Source:
        """What the cart's manifest is read from. Raises PermanentError if there is nothing to read."""
        if uploads := self._uploads.unread(cart.id):
            keys = [upload_key(upload.token) for upload in uploads]
            return Source(keys, uploads[0].etag, Options(cart.root, cart.names, cart.sums))
        # For one release: the previous one has no rows of uploads. It has one key for each uid, the ETag in the digest,
        # and the uid as root until the manifest is read. It knows no owners, and uids are each owner's own.
        if cart.owner != NOBODY:
            raise PermanentError(GONE)
        return Source([former_key(cart.uid)], cart.digest.removeprefix(UPLOAD_DIGEST), Options())

    def read(self, source: Source) -> Iterator[bytes]:
        """Exactly the content that was posted, as blocks. Raises PermanentError if it is not there any more."""
        for key in source.keys[:-1]:
            try:
                return (yield from self._manifests.read(key, source.etag))
            except (ObjectMissing, ObjectChanged):  # raised before the first block
                continue
        try:
            yield from self._manifests.read(source.keys[-1], source.etag)
        except ObjectMissing as error:
            raise PermanentError(GONE) from error
        except ObjectChanged as error:
            raise PermanentError(CHANGED) from error

    def close(self, cart_id: int) -> None:
        """Record that the cart's upload was read, within the caller's transaction."""
        self._uploads.close_of_cart(cart_id)

    def delete(self, source: Source) -> None:
        """Delete what was read. The sweep deletes what this leaves behind."""
        try:
            self._manifests.delete(source.keys)
        except StoreUnavailable as error:
            log.warning("the sweep will delete the uploaded manifest %s: %s", ", ".join(source.keys), error)

    def delete_of_cart(self, cart_id: int) -> None:
        """Delete whatever was uploaded for a cart that has ended."""
        self._manifests.delete([upload_key(token) for token in self._uploads.tokens_of_cart(cart_id)])
