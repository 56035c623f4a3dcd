"""What a valid login says: whose it is, and what it allows. Pure."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from chalicelib.caller import Scope

LONGEST_OWNER = 255  # characters, the width of the column
READ_ONLY = frozenset({Scope.READ})
READ_WRITE = frozenset({Scope.READ, Scope.WRITE})


@dataclass(frozen=True, slots=True)
class Login:
    """`owner` is never empty: that would be the owner of what was made without logins.

    `mail`: an address that the login proves to be its holder's.
    """

    owner: str
    scopes: frozenset[Scope]
    groups: tuple[str, ...] = ()
    mail: str = ""


def owner_named(name: str) -> str:
    """The owner of this name, or of a hash of it if it is too long for the column; no name begins like a hash."""
    return name if len(name) <= LONGEST_OWNER else f"sha256|{hashlib.sha256(name.encode()).hexdigest()}"


def is_plain(name: object) -> bool:
    """Whether this names one owner or group and no other.

    MySQL compares without the blanks at the end; control characters and half surrogates look like something else in
    logs, or like nothing.
    """
    if not isinstance(name, str) or not name or name != name.strip():
        return False
    return not any(_is_hidden(character) for character in name)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
