"""Logins without a login: the Authorization header names the caller. What routes do with a caller is tested on it."""

from __future__ import annotations

from chalicelib.auth.credentials import Credentials
from chalicelib.caller import NOBODY, Caller, Scope
from chalicelib.errors import LoginRequired

READ, WRITE = frozenset({Scope.READ}), frozenset({Scope.READ, Scope.WRITE})
SCOPES = {"reader": READ, "writer": frozenset({Scope.WRITE}), "admin": frozenset({Scope.ADMIN})}


class NamedLogins:
    """`ann` is an owner with the usual scopes; `ann reader`, `ann writer` and `ann admin` have those of SCOPES."""

    def caller(self, credentials: Credentials) -> Caller:
        if credentials.authorization is None:
            raise LoginRequired
        owner, _, role = credentials.authorization.partition(" ")
        return Caller(owner, owner, SCOPES.get(role, WRITE), address=credentials.address)

    def caller_or_nobody(self, credentials: Credentials) -> Caller:
        if credentials.authorization is None:
            return Caller(NOBODY, NOBODY, frozenset(), address=credentials.address)
        return self.caller(credentials)
