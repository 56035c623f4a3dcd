"""What clients see of a cart once it was found for them: its download, its status, its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.aws.content_disposition import attachment
from chalicelib.caller import NOBODY, Caller
from chalicelib.db.database import Database
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.policy.download_rights import DownloadRights
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_history import Happened
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.cart_waits import CartWait, CartWaitStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.progress import Counts, FilePage, ProgressStore, seconds_left


@dataclass(frozen=True, slots=True)
class Download:
    """Where a client fetches a bundle. `size` is in bytes."""

    url: str
    size: int
    etag: str
    checksum: str


@dataclass(frozen=True, slots=True)
class CartStatus:
    """A cart and its progress. `seconds_left`: an estimate, None if unknown. `wait`: None if it waits for nothing.

    `history`: None unless asked for.
    """

    cart: Cart
    counts: Counts
    seconds_left: int | None
    warnings: Sequence[str] = ()
    wait: CartWait | None = None
    history: Sequence[Happened] | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A share that a client reads a cart by. `reader`: whose rights to the files count; `url_life`: seconds."""

    id: int
    reader: Caller
    url_life: int


class CartViews:
    def __init__(
        self,
        database: Database,
        carts: CartStore,
        progress_store: ProgressStore,
        waits: CartWaitStore,
        bundles: BundleStore,
        rights: DownloadRights,
        audit: AuditStore,
        clock: Callable[[], float],
    ) -> None:
        self._db = database
        self._carts = carts
        self._progress = progress_store
        self._waits = waits
        self._bundles = bundles
        self._rights = rights
        self._audit = audit
        self._clock = clock

    def download(self, cart: Cart, caller: Caller, filename: str | None, by: Share | None = None) -> Download | None:
        """Where the bundle is fetched, None if the cart is not ready. `by`: the share that it is fetched by.

        Raises NotAllowed and PolicyUnavailable.
        """
        if cart.state != CartState.READY:
            return None
        self._rights.check(cart, by.reader if by else caller)
        now = self._clock()
        name = attachment(filename, datetime.fromtimestamp(now, UTC))
        key = key_of(cart.id, cart.attempt)
        url, life = self._bundles.presign(key, name, by.url_life if by else None)
        details = {"key": key, "expires": int(now + life), **({"share": by.id} if by else {})}
        self._record(caller.acting_for(cart.owner), cart, now, life, details)
        counts.add(metrics.SERVED, by=cart.bundle_size)
        return Download(url, cart.bundle_size, cart.bundle_etag, cart.bundle_checksum)

    def status(self, cart: Cart, *, with_history: bool = False) -> CartStatus:
        left, warnings = seconds_left(cart, self._clock()), self._carts.warnings(cart.id)
        history = self._carts.history(cart.id) if with_history else None
        return CartStatus(cart, self._progress.counts(cart), left, warnings, self.wait(cart), history)

    def wait(self, cart: Cart) -> CartWait | None:
        """What an unfinished cart waits for. No query for another."""
        return self._waits.of_cart(cart)

    def files(self, cart: Cart, after: int, most: int) -> FilePage:
        """Up to `most` of the cart's files after position `after`."""
        return self._progress.files(cart, after, most)

    def _record(self, caller: Caller, cart: Cart, now: float, life: float, details: Mapping[str, Any]) -> None:
        """Record each URL of a cart that has an owner; of nobody's, only those that write to the cart's row anyway.

        Who has a link reads an owner's cart without a login.
        """
        if caller.owner == cart.owner == NOBODY and self._carts.covers_download(cart, now, life):
            return

        def write() -> None:
            self._carts.record_download(cart, now, life)
            self._audit.record(caller, AuditAction.DOWNLOAD, cart.uid, cart.id, details)

        self._db.transaction(write)
