"""The use cases behind the API, one public method each. Knows no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.aws.content_disposition import attachment
from chalicelib.aws.job_queue import JobQueue
from chalicelib.aws.manifest_uploads import ManifestUploadStore, manifest_key
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.errors import CartNotFound, InvalidManifest, StoreUnavailable, TransientError
from chalicelib.job_message import JobMessage
from chalicelib.manifest.checks import check_uid
from chalicelib.manifest.reader import Entry, is_upload_notice, parse
from chalicelib.stores.carts import Cart, CartState, CartStore, LiveCartExists
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobKind, JobStore
from chalicelib.stores.progress import Counts, FilePage, ProgressStore, seconds_left

TRIES = 10  # attempts when several requests post one uid at once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """Where a client fetches a bundle. `size` is in bytes."""

    url: str
    size: int
    etag: str
    checksum: str


@dataclass(frozen=True, slots=True)
class CartStatus:
    """A cart and its progress. `seconds_left`: an estimate, None if unknown."""

    cart: Cart
    counts: Counts
    seconds_left: int | None


@dataclass(frozen=True, slots=True)
class _NewCart:
    """A cart to insert. An uploaded manifest has no entries yet: a worker reads them."""

    root: str
    digest: str
    entries: Sequence[Entry] = ()
    uploaded: bool = False


class CartService:
    def __init__(
        self,
        *,
        database: Database,
        carts: CartStore,
        entries: EntryStore,
        jobs: JobStore,
        endings: CartEndings,
        progress_store: ProgressStore,
        queue: JobQueue,
        bundles: BundleStore,
        uploads: ManifestUploadStore,
        clock: Callable[[], float],
    ) -> None:
        self._db = database
        self._carts = carts
        self._entries = entries
        self._jobs = jobs
        self._endings = endings
        self._progress = progress_store
        self._queue = queue
        self._bundles = bundles
        self._uploads = uploads
        self._clock = clock

    def create(self, owner: str, uid: str, body: bytes) -> None:
        """Create a cart from `body` and make it the live cart of `uid`; the same manifest again changes nothing.

        Another manifest, or that of a cart that failed or expired, replaces the old cart. Raises InvalidUid or
        InvalidManifest, and then changes nothing. Raises TransientError if the store or the database fails, or if
        other requests keep winning.
        """
        check_uid(uid)
        new = self._new_cart_of_upload(owner, uid) if is_upload_notice(body) else _new_cart_of_body(uid, body)
        if new is not None:
            self._queue.send(self._replace(owner, uid, new))

    def manifest_upload_url(self, owner: str, uid: str) -> tuple[str, int]:
        """A presigned PUT URL for a manifest too large for a request body, and its lifetime in seconds."""
        return self._uploads.presign(manifest_key(owner, check_uid(uid)))

    def find(self, owner: str, uid: str) -> Cart:
        """Raises InvalidUid, CartNotFound or CartExpired."""
        return self._carts.find(owner, check_uid(uid))

    def download(self, owner: str, uid: str, filename: str | None) -> tuple[Cart, Download | None]:
        """The cart and, if it is ready, where the client fetches its bundle."""
        cart = self.find(owner, uid)
        if cart.state != CartState.READY:
            return cart, None
        now = self._clock()
        name = attachment(filename, datetime.fromtimestamp(now, UTC))
        url, life = self._bundles.presign(key_of(cart.id, cart.attempt), name)
        self._carts.record_download(cart, now, life)
        return cart, Download(url, cart.bundle_size, cart.bundle_etag, cart.bundle_checksum)

    def status(self, owner: str, uid: str) -> CartStatus:
        cart = self.find(owner, uid)
        return CartStatus(cart, self._progress.counts(cart), seconds_left(cart, self._clock()))

    def files(self, owner: str, uid: str, after: int, most: int) -> FilePage:
        """Up to `most` of the cart's files after position `after`."""
        return self._progress.files(self.find(owner, uid), after, most)

    def delete(self, owner: str, uid: str) -> None:
        """Delete a cart and its bundle: clients see 404 at once. Raises InvalidUid or CartNotFound."""
        cart, messages = self._retire(owner, check_uid(uid))
        try:
            key = key_of(cart.id, cart.attempt)
            if cart.upload_id:
                self._bundles.abort_upload(key, cart.upload_id)
            self._bundles.delete_bundle(key)
        except StoreUnavailable as error:
            log.warning("the clean-up job will delete the bundle of cart %d: %s", cart.id, error)
        self._queue.send(messages)

    def _new_cart_of_upload(self, owner: str, uid: str) -> _NewCart | None:
        """The cart of the manifest uploaded for `uid`; None if a worker has already read it."""
        digest = self._uploads.digest(manifest_key(owner, uid))
        if digest is not None:
            return _NewCart(root=uid, digest=digest, uploaded=True)
        if self._carts.has_uploaded_manifest(owner, uid):
            return None
        raise InvalidManifest([f"manifest: nothing has been uploaded; POST /{uid}/manifest returns the URL"])

    def _replace(self, owner: str, uid: str, new: _NewCart) -> list[JobMessage]:
        """Commit `new` as the live cart of `uid`; the messages to send, none if `new` is already live."""
        for _ in range(TRIES):
            try:
                return self._db.transaction(lambda: self._replace_within(owner, uid, new))
            except LiveCartExists:
                continue
        raise TransientError(f"{TRIES} other requests have posted this uid at the same time.")

    def _replace_within(self, owner: str, uid: str, new: _NewCart) -> list[JobMessage]:
        messages: list[JobMessage] = []
        old = self._carts.live(owner, uid)
        if old is not None:
            if old.digest == new.digest and not old.ended_badly:
                return []
            messages += self._endings.retire(old.id)
        cart_id = self._carts.insert(owner, uid, new.root, new.digest, len(new.entries), uploaded=new.uploaded)
        self._entries.add(cart_id, 0, new.entries)
        messages.append(self._jobs.add(cart_id, JobKind.MANIFEST if new.uploaded else JobKind.RECALL))
        return messages

    def _retire(self, owner: str, uid: str) -> tuple[Cart, list[JobMessage]]:
        """Commit the end of the live cart of `uid`; return the cart and the messages to send."""

        def work() -> tuple[Cart, list[JobMessage]]:
            cart = self._carts.live(owner, uid)
            messages = self._endings.retire(cart.id) if cart else []
            if cart is None or not messages:
                raise CartNotFound
            return cart, messages

        return self._db.transaction(work)


def _new_cart_of_body(uid: str, body: bytes) -> _NewCart:
    manifest = parse(body, uid)
    return _NewCart(manifest.root, manifest.digest, manifest.entries)
