"""Logins by access tokens, which `pacifica-cartd-cmd tokens` makes."""

from __future__ import annotations

import re
from collections.abc import Callable

from chalicelib.auth.login import Login, is_plain
from chalicelib.auth.recent import Recent
from chalicelib.errors import LoginRequired
from chalicelib.stores.access_tokens import PREFIX, AccessTokenStore
from chalicelib.stores.token_hash import hash_of

MEMORY = 5.0  # seconds a valid token is not looked up again: a revoked one works so long at most
_FORM = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


def is_access_token(token: str) -> bool:
    return token.startswith(PREFIX)


class TokenLogin:
    def __init__(self, store: AccessTokenStore, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never go back."""
        self._store = store
        self._clock = clock
        self._seen: Recent[tuple[float, Login]] = Recent()

    def login(self, token: str) -> Login:
        """Raises LoginRequired if the token is unknown, revoked or expired."""
        if not _FORM.fullmatch(token):
            raise LoginRequired("The access token is not valid: it is unknown, revoked or expired.")
        key, now = hash_of(token), self._clock()
        seen = self._seen.get(key)
        if seen is not None and now < seen[0]:
            return seen[1]
        login = self._looked_up(token)
        self._seen.put(key, (now + MEMORY, login))
        return login

    def _looked_up(self, token: str) -> Login:
        found = self._store.find(token)
        if found is None or not is_plain(found.owner):
            raise LoginRequired("The access token is not valid: it is unknown, revoked or expired.")
        return Login(found.owner, found.scopes, found.groups)
