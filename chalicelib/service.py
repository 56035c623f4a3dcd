"""The use cases behind the API, one public method each; nothing here knows HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.aws.content_disposition import attachment
from chalicelib.aws.job_queue import JobQueue
from chalicelib.aws.manifest_uploads import UploadStore, manifest_key
from chalicelib.errors import InvalidManifest, StoreUnavailable
from chalicelib.manifest.reader import check_uid, is_uploaded, parse
from chalicelib.stores import carts, progress
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.sweep.sweep import Sweep

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """A bundle that can be had: `url` is valid for `life` seconds."""

    url: str
    life: int
    size: int
    etag: str
    checksum: str


class CartService:
    def __init__(
        self,
        cart_store: CartStore,
        progress_store: ProgressStore,
        queue: JobQueue,
        bundles: BundleStore,
        uploads: UploadStore,
        upkeep: Sweep,
        clock: Callable[[], float],
    ) -> None:
        self._carts = cart_store
        self._progress = progress_store
        self._queue = queue
        self._bundles = bundles
        self._uploads = uploads
        self._upkeep = upkeep
        self._clock = clock

    def create(self, owner: str, uid: str, body: bytes) -> None:
        """Make `body`, a manifest, the cart of `uid`. Nothing changes when it raises InvalidUid or InvalidManifest."""
        check_uid(uid)
        if is_uploaded(body):
            self._create_uploaded(owner, uid)
        else:
            self._queue.send(self._carts.add(owner, uid, parse(body, uid)))

    def upload(self, owner: str, uid: str) -> tuple[str, int]:
        """Where to PUT a manifest too large for a request, and for how many seconds that is valid."""
        return self._uploads.presign(manifest_key(owner, check_uid(uid)))

    def find(self, owner: str, uid: str) -> Cart:
        """Raises InvalidUid, CartNotFound or CartExpired."""
        return self._carts.find(owner, check_uid(uid))

    def download(self, owner: str, uid: str, filename: str | None) -> tuple[Cart, Download | None]:
        """The cart and, once it is ready, where its bundle is for the client to fetch."""
        cart = self.find(owner, uid)
        if cart.state != carts.READY:
            return cart, None
        now = self._clock()
        name = attachment(filename, datetime.fromtimestamp(now, UTC))
        url, life = self._bundles.presign(key_of(cart.id, cart.attempt), name)
        self._carts.handed_out(cart, now, life)
        return cart, Download(url, life, cart.bundle_size, cart.bundle_etag, cart.bundle_checksum)

    def status(self, owner: str, uid: str) -> dict[str, Any]:
        cart = self.find(owner, uid)
        return progress.report(cart, self._progress.counts(cart), self._clock())

    def files(self, owner: str, uid: str, after: int, most: int) -> dict[str, Any]:
        """A page of the cart's files: those behind position `after`."""
        return self._progress.files(self.find(owner, uid), after, most)

    def delete(self, owner: str, uid: str) -> None:
        """Take a cart away, with its bundle. Raises InvalidUid or CartNotFound."""
        cart, hints = self._carts.delete(owner, check_uid(uid))
        try:
            self._bundles.delete(key_of(cart.id, cart.attempt), cart.upload_id)
        except StoreUnavailable as error:
            log.warning("left to the clean-up of cart %d: %s", cart.id, error)
        self._queue.send(hints)

    def _create_uploaded(self, owner: str, uid: str) -> None:
        digest = self._uploads.digest(manifest_key(owner, uid))
        if digest is None and self._carts.is_uploaded(owner, uid):
            return  # a worker has read it already: the same post again
        if digest is None:
            raise InvalidManifest([f"manifest: nothing was uploaded; ask POST /{uid}/manifest where to"])
        self._queue.send(self._carts.add_uploaded(owner, uid, digest))

    def sweep(self) -> int:
        """Repair what a crash left; how many jobs were sent again."""
        return self._upkeep.sweep()
