"""How much each owner may post, and the limits that it sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.caller import NOBODY, Caller
from chalicelib.config.owner_limits import NAMES, LimitBook
from chalicelib.stores.owner_usage import OwnerUsageStore


@dataclass(frozen=True, slots=True)
class LimitState:
    """A figure and its limit; None for no limit."""

    used: int
    limit: int | None


class PostLimits:
    def __init__(self, usage: OwnerUsageStore, book: LimitBook, clock: Callable[[], float]) -> None:
        self._usage = usage
        self._book = book
        self._clock = clock

    def count(self, caller: Caller) -> None:
        """Count a POST before anything else is done for it. Raises TooManyRequests."""
        if caller.owner != NOBODY:
            self._usage.count_post(caller, self._book.of(caller.owner, caller.groups), self._clock())

    def shown(self, caller: Caller) -> dict[str, LimitState]:
        """What the owner that the caller acts for uses, and may use."""
        owner = caller.acts_for
        if owner == NOBODY:
            return {name: LimitState(0, None) for name in NAMES}
        groups = caller.groups if owner == caller.owner else self._usage.groups_of(owner)
        limits = self._book.of(owner, groups)
        used = {**self._usage.used(owner), "posts": self._usage.posts(owner, self._clock())}
        return {name: LimitState(used[name], getattr(limits, name) or None) for name in NAMES}
