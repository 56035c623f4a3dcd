"""Who sent a request, as far as the service needs to know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from chalicelib.errors import NotAllowed

NOBODY = ""  # the owner of all carts where clients do not log in, and of those made before they had to


class Scope(StrEnum):
    """What a login allows. `admin` includes the others, for every owner's carts."""

    READ = "carts:read"
    WRITE = "carts:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner`: who it is, NOBODY without a login. `address`: where the request comes from.

    `mail`: an address that is verified to be the caller's.
    `acts_for`: whose carts the request is about; another's only for an administrator.
    """

    owner: str
    acts_for: str
    scopes: frozenset[Scope]
    groups: tuple[str, ...] = ()
    address: str = ""
    mail: str = ""

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        return self.is_admin or scope in self.scopes

    def acting_for(self, owner: str) -> Caller:
        return replace(self, acts_for=owner)


def check_own(caller: Caller) -> None:
    """Raises NotAllowed for an administrator who acts for another: that sees and ends carts, but makes none.

    What is made counts against its owner's limits and rights, which are those of the owner's own login.
    """
    if caller.acts_for != caller.owner:
        raise NotAllowed("owner: carts of others may be seen and ended, but not made or shared.")


def owner_of_everything(address: str = "") -> Caller:
    """The caller where clients do not log in."""
    return Caller(NOBODY, NOBODY, frozenset({Scope.READ, Scope.WRITE}), address=address)
