"""Callers for tests of the use cases, which need no request."""

from __future__ import annotations

from chalicelib.caller import Caller, Scope, owner_of_everything

#: The caller of a system without logins.
ANYONE = owner_of_everything()


def caller(owner: str, *scopes: Scope, groups: tuple[str, ...] = ()) -> Caller:
    """Somebody who logged in; by default with all but the administrators' scope."""
    return Caller(owner, owner, frozenset(scopes or (Scope.READ, Scope.WRITE)), groups)
