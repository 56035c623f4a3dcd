"""The use cases of those a cart is shared with: they read it, by the token in the share's address. Knows no HTTP."""

from __future__ import annotations

from chalicelib.caller import Caller, Scope
from chalicelib.cart_views import CartStatus, CartViews, Download, Share
from chalicelib.errors import CartNotFound, NotAllowed, ShareNotFound
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.cart_shares import CartShare, CartShareStore
from chalicelib.stores.cart_waits import CartWait
from chalicelib.stores.carts import CartStore
from chalicelib.stores.progress import FilePage


class SharedCarts:
    def __init__(
        self,
        carts: CartStore,
        shares: CartShareStore,
        views: CartViews,
        *,
        links: bool,
        url_life: int,
    ) -> None:
        """`links`: whether shares for everybody who has the address are open. `url_life`: seconds."""
        self._carts = carts
        self._shares = shares
        self._views = views
        self._links = links
        self._url_life = url_life

    def find(self, caller: Caller, token: str) -> Cart:
        """Raises ShareNotFound, for all reasons in the same words."""
        return self._found(caller, token)[1]

    def look(self, caller: Caller, token: str) -> tuple[Cart, CartWait | None]:
        """The cart, and what it waits for, if it does. Raises as `find`."""
        cart = self.find(caller, token)
        return cart, self._views.wait(cart)

    def download(self, caller: Caller, token: str, filename: str | None) -> tuple[Cart, Download | None]:
        """The cart and, if it is ready, where the client fetches its bundle."""
        share, cart = self._found(caller, token)
        by = Share(share.id, _reader(share, cart, caller), self._url_life)
        return cart, self._views.download(cart, caller, filename, by)

    def status(self, caller: Caller, token: str) -> CartStatus:
        return self._views.status(self.find(caller, token))

    def files(self, caller: Caller, token: str, after: int, most: int) -> FilePage:
        """Up to `most` of the cart's files after position `after`."""
        return self._views.files(self.find(caller, token), after, most)

    def _found(self, caller: Caller, token: str) -> tuple[CartShare, Cart]:
        if caller.owner and not caller.may(Scope.READ):  # whatever the token: this is about the login
            raise NotAllowed(f"This login may not do this: it lacks the scope {Scope.READ}.")
        share = self._shares.find(token)
        if share is None or not self._is_for(caller, share):
            raise ShareNotFound
        try:
            cart = self._carts.get(share.cart_id)
        except CartNotFound:
            raise ShareNotFound from None
        if cart.live is None or cart.state == CartState.EXPIRED:  # since the share was looked up
            raise ShareNotFound
        return share, cart

    def _is_for(self, caller: Caller, share: CartShare) -> bool:
        return self._links if share.is_link else share.recipient == caller.owner


def _reader(share: CartShare, cart: Cart, caller: Caller) -> Caller:
    """Whose rights to the files count: a link gives its owner's, a share with somebody only that person's own."""
    if not share.is_link:
        return caller
    return Caller(cart.owner, cart.owner, frozenset(), address=caller.address)
