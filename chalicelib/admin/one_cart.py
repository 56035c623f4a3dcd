"""Finds the one cart that a command names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from chalicelib.admin.wording import owner_of
from chalicelib.errors import CartError
from chalicelib.stores.cart_search import CartSearch, FoundCart

MOST = 20  # carts of one uid that are named


class NoSuchCart(CartError):
    """There is no such cart."""


def cart_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the argument UID, and what says which of its carts."""
    options = (
        click.argument("uid", required=False),
        click.option("--owner", help="Whose cart, if several have one of this uid; '' for nobody's."),
        click.option(
            "--cart", "cart_id", type=click.IntRange(1), help="By the number that log lines have, not by uid."
        ),
        click.option("--all", "gone", is_flag=True, help="Also deleted and replaced carts."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def one_cart(search: CartSearch, uid: str | None, owner: str | None, cart_id: int | None, gone: bool) -> FoundCart:
    """The cart. Raises NoSuchCart, or if there are several: which."""
    if (uid is None) == (cart_id is None):
        raise click.UsageError("Name one cart: by its UID, or by --cart.")
    if cart_id is not None:
        if found := search.get(cart_id):
            return found
        raise NoSuchCart(f"There is no cart {cart_id}.")
    carts = search.of_uid(uid or "", owner, gone, MOST)
    owners = sorted({cart.owner for cart in carts})
    if len(owners) > 1:
        named = ", ".join(map(owner_of, owners))
        raise NoSuchCart(f"Several owners have a cart {uid}: choose one by --owner. They are: {named}.")
    if not carts:
        raise NoSuchCart(f"There is no cart {uid}{'' if gone else '; --all finds deleted and replaced ones too'}.")
    return next((cart for cart in carts if cart.live), carts[0])
