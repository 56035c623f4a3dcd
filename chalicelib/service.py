"""The use cases behind the API, one public method each. Knows no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.caller import Caller, check_own
from chalicelib.cart_views import CartStatus, CartViews, Download
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.errors import StoreUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.manifest.checks import check_uid
from chalicelib.posting.cart_poster import CartPoster
from chalicelib.posting.uploaded import UploadSlot
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.cart_waits import CartWait
from chalicelib.stores.carts import CartStore
from chalicelib.stores.progress import FilePage
from chalicelib.tracing.spans import Role
from chalicelib.tracing.traces import Traces

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Created:
    """A cart that was posted. `warnings`: what its client should know about the manifest, in words."""

    uid: str
    warnings: Sequence[str]


class CartService:
    def __init__(
        self,
        *,
        database: Database,
        carts: CartStore,
        endings: CartEndings,
        queue: JobQueue,
        bundles: BundleStore,
        poster: CartPoster,
        views: CartViews,
        audit: AuditStore,
        traces: Traces | None = None,
    ) -> None:
        self._db = database
        self._carts = carts
        self._endings = endings
        self._queue = queue
        self._bundles = bundles
        self._poster = poster
        self._views = views
        self._audit = audit
        self._traces = traces or Traces()

    def create(self, caller: Caller, uid: str, body: bytes) -> Created:
        """Create a cart from `body` and make it the live cart of `uid`; the same manifest again changes nothing.

        Another manifest, or that of a cart that failed or expired, replaces the old cart. `body` may be gzipped. Raises
        NotAllowed, InvalidUid, InvalidManifest or BodyTooLarge, and then changes nothing. Raises TransientError if the
        store or the database fails, or if other requests keep winning.
        """
        check_own(caller)
        with self._traces.doing(Role.REQUEST, "POST"):
            posted = self._poster.post(caller, check_uid(uid), body)
            self._queue.send(posted.messages)
        return Created(uid, posted.warnings)

    def manifest_upload(self, caller: Caller, uid: str) -> UploadSlot:
        """Where to PUT a manifest that is too large for a request body. Each call makes an upload of its own."""
        check_own(caller)
        return self._poster.upload_slot(caller, check_uid(uid))

    def find(self, caller: Caller, uid: str) -> Cart:
        """Raises InvalidUid, CartNotFound or CartExpired."""
        return self._carts.find(caller.acts_for, check_uid(uid))

    def look(self, caller: Caller, uid: str) -> tuple[Cart, CartWait | None]:
        """The cart, and what it waits for, if it does. Raises as `find`."""
        cart = self.find(caller, uid)
        return cart, self._views.wait(cart)

    def download(self, caller: Caller, uid: str, filename: str | None) -> tuple[Cart, Download | None]:
        """The cart and, if it is ready, where the client fetches its bundle."""
        cart = self.find(caller, uid)
        return cart, self._views.download(cart, caller, filename)

    def status(self, caller: Caller, uid: str, *, with_history: bool = False) -> CartStatus:
        return self._views.status(self.find(caller, uid), with_history=with_history)

    def files(self, caller: Caller, uid: str, after: int, most: int) -> FilePage:
        """Up to `most` of the cart's files after position `after`."""
        return self._views.files(self.find(caller, uid), after, most)

    def delete(self, caller: Caller, uid: str) -> None:
        """Delete a cart and its bundle: clients see 404 at once. Raises InvalidUid or CartNotFound."""
        check_uid(uid)
        cart, messages = self._db.transaction(lambda: self._delete(caller, uid))
        try:
            key = key_of(cart.id, cart.attempt)
            if cart.upload_id:
                self._bundles.abort_upload(key, cart.upload_id)
            self._bundles.delete_bundle(key)
        except StoreUnavailable as error:
            log.warning("the clean-up job will delete the bundle of cart %d: %s", cart.id, error)
        self._queue.send(messages)

    def _delete(self, caller: Caller, uid: str) -> tuple[Cart, list[JobMessage]]:
        cart, messages = self._endings.delete(caller, uid)
        self._audit.record(caller, AuditAction.DELETE, uid, cart.id)
        return cart, messages
