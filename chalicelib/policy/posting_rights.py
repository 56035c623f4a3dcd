"""Asks the policy about the files of a manifest that is posted, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.caller import Caller
from chalicelib.errors import NotAllowed
from chalicelib.policy.asking import IN_REQUEST, ask, deadline
from chalicelib.policy.policy import Policy, Reader


class PostingRights:
    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def check(self, caller: Caller, count: int, archive_ids: Iterable[str]) -> None:
        """Raise NotAllowed naming places, or PolicyUnavailable. A worker asks about more files than IN_REQUEST."""
        if not self._policy.asks or count > IN_REQUEST:
            return
        refusal = ask(self._policy, Reader(caller.owner, caller.groups), list(enumerate(archive_ids)), deadline())
        if refusal.count:
            raise NotAllowed(refusal.message("This login"))
