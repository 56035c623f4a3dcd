"""What an owner is told whose limit is reached: the figure, the limit and what frees it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.config.owner_limits import OwnerLimits
from chalicelib.errors import LimitReached
from chalicelib.readable_size import distinct_sizes

FREES = "delete one, or wait until one expires"


def reached(more: Mapping[str, int], used: Mapping[str, int], limits: OwnerLimits) -> LimitReached:
    """For the first figure that has no room for `more`."""
    for name, count in more.items():
        limit = int(getattr(limits, name))
        if count > 0 and limit and used[name] + count > limit:
            return LimitReached(_message(name, count, used[name], limit))
    return LimitReached("A limit of yours was reached at the same time by another request; try again.")


def _message(name: str, count: int, used: int, limit: int) -> str:
    if name == "carts":
        return f"You have {used} live cart{'' if used == 1 else 's'}, the limit; {FREES}."
    if name == "entries":
        if count > limit:
            return f"This cart has {count} files, more than all your live carts may have, {limit}; make smaller carts."
        return f"Your live carts have {used} files, and {count} more are over the limit, {limit}; {FREES}."
    if name == "bundles":
        more, have, most = distinct_sizes(count, used, limit)
        if count > limit:
            return f"The bundle of this cart is {more}, more than all yours may be, {most}; make smaller carts."
        return f"Your bundles are {have}, and {more} more are over the limit, {most}; {FREES}."
    if name == "uploads":
        return (
            f"You have {used} uploads that no cart was made from, the limit; post one, delete the cart of its uid, "
            "or wait a day until one is given up."
        )
    return f"You have {used} {name}, the limit is {limit}; wait until some end."
