"""The decision who a request comes from. Each passes `caller` or `caller_or_nobody`, and only they make a Caller.

To audit it: this file says which login counts under which AUTH; `authorization` reads the header; `token_login`,
`iam_login` and `jwt_login` each check one kind of login, and return a Login or raise LoginRequired. A login is never
skipped because it is malformed: a request with an Authorization header that does not count is refused everywhere.
"""

from __future__ import annotations

import time

from chalicelib.auth.authorization import token_in
from chalicelib.auth.credentials import Credentials
from chalicelib.auth.iam_login import IamLogin
from chalicelib.auth.jwt_login import JwtLogin
from chalicelib.auth.login import Login
from chalicelib.auth.start_check import check_login
from chalicelib.auth.token_login import TokenLogin, is_access_token
from chalicelib.caller import NOBODY, Caller, owner_of_everything
from chalicelib.config.settings import Settings
from chalicelib.errors import LoginRequired
from chalicelib.stores.access_tokens import AccessTokenStore

REALM = 'realm="pacifica-cart"'
NO_LOGINS = "This service has no logins (AUTH is none): send no Authorization header."
NO_HEADER = "This needs a login: send `Authorization: Bearer TOKEN`, or the token as password of Basic authentication."
WRONG_KIND = "The token is not valid here: this service takes tokens of another kind."


class Authenticator:
    def __init__(self, settings: Settings, store: AccessTokenStore) -> None:
        self._settings = settings
        self._auth = settings.auth.split(",")
        self._iam = IamLogin(settings.admin_value, settings.read_only_value)
        self._tokens = TokenLogin(store, time.monotonic)
        self._jwts = JwtLogin(settings, time.time, time.monotonic)
        self._checked = False

    def caller(self, shown: Credentials) -> Caller:
        """Raises LoginRequired, LoginUnavailable if the login cannot be checked, SettingsError."""
        if not self._checked:
            check_login(self._settings)
            self._checked = True
        try:
            if self._auth == ["none"]:
                return self._without_logins(shown)
            login = self._login(shown)
        except LoginRequired as error:
            raise LoginRequired(error.message, self._challenges(shown)) from None
        return Caller(login.owner, login.owner, login.scopes, login.groups, shown.address, login.mail)

    def caller_or_nobody(self, shown: Credentials) -> Caller:
        """Like `caller`; a request without a login comes from nobody, who may do nothing by himself."""
        if shown.authorization is None and shown.identity.get("userArn") is None:
            return Caller(NOBODY, NOBODY, frozenset(), address=shown.address)
        return self.caller(shown)

    def _without_logins(self, shown: Credentials) -> Caller:
        if shown.authorization is not None:  # who sends one expects carts of his own
            raise LoginRequired(NO_LOGINS)
        return owner_of_everything(shown.address)

    def _login(self, shown: Credentials) -> Login:
        if self._auth == ["iam"]:
            return self._iam.login(shown.identity, shown.authorization)
        if shown.authorization is None:
            raise LoginRequired(NO_HEADER)
        token = token_in(shown.authorization)
        if is_access_token(token):
            if "token" in self._auth:
                return self._tokens.login(token)
        elif "oidc" in self._auth:
            return self._jwts.login(token)
        raise LoginRequired(WRONG_KIND)

    def _challenges(self, shown: Credentials) -> list[str]:
        """Values of WWW-Authenticate; the Bearer one names an error only if there was a header (RFC 6750)."""
        if self._auth == ["iam"]:
            return ["AWS4-HMAC-SHA256"]
        failed = "" if shown.authorization is None else ', error="invalid_token"'
        return [f'Basic {REALM}, charset="UTF-8"', f"Bearer {REALM}{failed}"]
