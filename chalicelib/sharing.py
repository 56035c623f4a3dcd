"""The use cases of a cart's owner: share the cart, see with whom, end a share. Knows no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.caller import Caller, check_own
from chalicelib.db.database import Database
from chalicelib.errors import BadRequest, LimitReached, NotAllowed, ShareNotFound
from chalicelib.manifest.checks import check_uid
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_shares import WITH_LINK, CartShare, CartShareStore
from chalicelib.stores.carts import CartStore

DAY = 86400  # seconds
USUAL_LIFE, LONGEST_LIFE = 7 * DAY, 90 * DAY  # seconds
MOST_SHARES = 100  # of a cart, not counting those that have ended
TOO_MANY = f"This cart has {MOST_SHARES} shares, the most a cart may have; end one, or wait until one expires."
NO_LINKS = "with: carts are not shared by link here (SHARE_LINKS); name an owner instead."


@dataclass(frozen=True, slots=True)
class ShareRequest:
    """`recipient`: an owner, or WITH_LINK. It ends after `seconds`, or at `until`, seconds since the epoch."""

    recipient: str
    seconds: float = USUAL_LIFE
    until: float | None = None


@dataclass(frozen=True, slots=True)
class NewShare:
    """`token`: the only copy of what the share's address is made of."""

    share: CartShare
    token: str


class Sharing:
    def __init__(
        self, database: Database, carts: CartStore, shares: CartShareStore, audit: AuditStore, links: bool
    ) -> None:
        """`links`: whether a cart may be shared with everybody who has the address."""
        self._db = database
        self._carts = carts
        self._shares = shares
        self._audit = audit
        self._links = links

    def share(self, caller: Caller, uid: str, wanted: ShareRequest) -> NewShare:
        """Share the caller's live cart. Raises BadRequest, NotAllowed, CartNotFound or LimitReached."""
        check_uid(uid)
        check_own(caller)
        if wanted.recipient == WITH_LINK and not self._links:
            raise NotAllowed(NO_LINKS)
        return self._db.transaction(lambda: self._share(caller, uid, wanted))

    def shares(self, caller: Caller, uid: str) -> list[CartShare]:
        """The shares that have not ended. Raises CartNotFound."""
        return self._shares.of_cart(self._carts.find(caller.acts_for, check_uid(uid)).id)

    def unshare(self, caller: Caller, uid: str, share_id: int) -> None:
        """End a share. Raises CartNotFound, or ShareNotFound if it is none of this cart's or has ended."""
        check_uid(uid)
        self._db.transaction(lambda: self._unshare(caller, uid, share_id))

    def _share(self, caller: Caller, uid: str, wanted: ShareRequest) -> NewShare:
        cart_id = self._carts.find(caller.acts_for, uid).id
        now = self._db.clock()
        until = now + wanted.seconds if wanted.until is None else wanted.until
        if not now < until <= now + LONGEST_LIFE:
            raise BadRequest(f"expires: must be in the future, within {LONGEST_LIFE // DAY} days")
        # The lock lets one request at a time count; a cart that ends meanwhile takes its shares with it.
        self._carts.lock(cart_id)
        if self._shares.count(cart_id) >= MOST_SHARES:
            raise LimitReached(TOO_MANY)
        new = NewShare(*self._shares.add(cart_id, wanted.recipient, now, until))
        self._audit.record(caller, AuditAction.SHARE, uid, cart_id, _details(new.share))
        return new

    def _unshare(self, caller: Caller, uid: str, share_id: int) -> None:
        cart_id = self._carts.find(caller.acts_for, uid).id
        if not self._shares.revoke(cart_id, share_id):
            raise ShareNotFound
        self._audit.record(caller, AuditAction.UNSHARE, uid, cart_id, {"share": share_id})


def _details(share: CartShare) -> dict[str, Any]:
    named = {"link": True} if share.is_link else {"with": share.recipient}
    return {"share": share.id, **named, "expires": share.expires_at}
