"""The use case that lists carts. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.caller import Caller
from chalicelib.errors import BadRequest
from chalicelib.stores.cart_lists import LISTED, CartListStore, CartPage

EVERYBODY = "*"  # names all owners, for administrators


class CartListing:
    def __init__(self, lists: CartListStore) -> None:
        self._lists = lists

    def page(self, caller: Caller, states: Collection[str], before: int, most: int) -> CartPage:
        """Up to `most` of the caller's carts, the newest first, of these states or of all, in rows below `before`.

        Raises BadRequest for an unknown state.
        """
        unknown = sorted(set(states) - set(LISTED))
        if unknown:
            raise BadRequest(f"state: must be of {', '.join(LISTED)}, separated by commas")
        everybody = caller.is_admin and caller.acts_for == EVERYBODY
        return self._lists.page(None if everybody else caller.acts_for, states or LISTED, before, most)
