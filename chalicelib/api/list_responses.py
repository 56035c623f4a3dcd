"""Builds the HTTP responses that list carts and shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chalice.app import Response

from chalicelib.api.responses import document, iso
from chalicelib.api.share_body import LINK
from chalicelib.posting.post_limits import LimitState
from chalicelib.sharing import NewShare
from chalicelib.stores.cart_lists import CartPage, ListedCart
from chalicelib.stores.cart_shares import CartShare


def carts(page: CartPage, owner: str, with_owners: bool) -> Response:
    """The response to GET /-/carts. `owner`: whose they are. `with_owners`: each names its own."""
    listed = [_cart(cart) | ({"owner": cart.owner} if with_owners else {}) for cart in page.carts]
    return document(200, {"owner": owner, "carts": listed, "next": page.next})


def limits(owner: str, figures: Mapping[str, LimitState]) -> Response:
    """The response to GET /-/limits."""
    return document(200, {"owner": owner, "limits": {name: asdict(figure) for name, figure in figures.items()}})


def shared(new: NewShare) -> Response:
    """The response to POST /{uid}/shares: the only one that shows the address."""
    response = document(201, {**_share(new.share), "address": f"/-/shared/{new.token}"})
    response.headers = {**response.headers, "Cache-Control": "no-store"}
    return response


def shares(found: list[CartShare]) -> Response:
    return document(200, {"shares": [_share(share) for share in found]})


def _cart(cart: ListedCart) -> dict[str, Any]:
    return {
        "uid": cart.uid,
        "status": cart.state,
        "message": cart.message,
        "created": iso(cart.created_at),
        "ended": iso(cart.ended_at),
        "files": cart.files_total,
        "bytes": cart.bytes_total,
        "bundle": cart.bundle_size,
    }


def _share(share: CartShare) -> dict[str, Any]:
    return {
        "id": share.id,
        "with": LINK if share.is_link else share.recipient,
        "created": iso(share.created_at),
        "expires": iso(share.expires_at),
    }
