"""The access token store: the only writer of access_tokens. A token in clear is returned once, when it is made."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.caller import Scope
from chalicelib.db.access_models import AccessTokens
from chalicelib.db.database import Database, execute
from chalicelib.stores.token_hash import hash_of

RANDOM = 32  # bytes of randomness: far too many to guess, so that a fast hash is enough
PREFIX = "cart_"  # so that people and secret scanners know what it is


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One row of access_tokens. Times are seconds since the epoch."""

    id: int
    owner: str
    scopes: frozenset[Scope]
    groups: tuple[str, ...]
    note: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None


_COLUMNS = (
    AccessTokens.id,
    AccessTokens.owner,
    AccessTokens.scopes,
    AccessTokens.member_of,
    AccessTokens.note,
    AccessTokens.created_at,
    AccessTokens.expires_at,
    AccessTokens.revoked_at,
)


class AccessTokenStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        # Cached as text, like the query of a cart: each request with a token runs it.
        valid = (AccessTokens.hash == "") & AccessTokens.revoked_at.is_null() & _unended(database)
        self._valid_sql = database.text_of(AccessTokens.select(*_COLUMNS).where(valid))

    def add(
        self, owner: str, scopes: Collection[Scope], groups: Sequence[str], life: float | None, note: str
    ) -> tuple[int, str]:
        """A new token: its row and the token itself. `life`: seconds, None for no end."""
        token, now = PREFIX + secrets.token_urlsafe(RANDOM), self._db.now
        new = {
            "owner": owner,
            "hash": hash_of(token),
            "scopes": " ".join(sorted(scopes)),
            "member_of": json.dumps(list(groups)) if groups else None,
            "note": note,
            "created_at": now,
            "expires_at": None if life is None else now + life,
        }
        with self._db.session() as db:
            return int(AccessTokens.insert(new).execute(db)), token

    def find(self, token: str) -> AccessToken | None:
        """The token, if it is valid now."""
        with self._db.session() as db:
            row = execute(db, self._valid_sql, (hash_of(token),)).fetchone()
        return _token(*row) if row else None

    def everything(self) -> list[AccessToken]:
        """All tokens, also those that have ended; oldest first."""
        with self._db.session() as db:
            return [
                _token(*row) for row in AccessTokens.select(*_COLUMNS).order_by(AccessTokens.id).tuples().execute(db)
            ]

    def revoke(self, token_id: int) -> bool:
        """False if there is no such token, or it has been revoked already."""
        this = (AccessTokens.id == token_id, AccessTokens.revoked_at.is_null())
        with self._db.session() as db:
            return bool(AccessTokens.update(revoked_at=self._db.now).where(*this).execute(db))


def _unended(database: Database) -> Any:
    return AccessTokens.expires_at.is_null() | (AccessTokens.expires_at > database.now)


def _token(number: int, owner: str, scopes: str, groups: str | None, *rest: Any) -> AccessToken:
    return AccessToken(
        number, owner, frozenset(map(Scope, scopes.split())), tuple(json.loads(groups)) if groups else (), *rest
    )
