"""Logins by JWTs of OpenID Connect providers: signature, then claims, then who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chalicelib.auth import claims
from chalicelib.auth.issuer_keys import issuer_keys
from chalicelib.auth.jwt_parts import INVALID, UnverifiedJwt, unverified
from chalicelib.auth.key_set import KEY_POLICY, CachedKeys, KeyPolicy
from chalicelib.auth.login import Login
from chalicelib.auth.recent import Recent
from chalicelib.auth.verification_key import VerificationKey
from chalicelib.config.settings import Settings
from chalicelib.errors import LoginRequired
from chalicelib.stores.token_hash import hash_of


class JwtLogin:
    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        steady: Callable[[], float],
        policy: KeyPolicy = KEY_POLICY,
    ) -> None:
        """`clock`: seconds since the epoch; `steady`: seconds that never go back."""
        self._settings = settings
        self._clock = clock
        self._keys: dict[str, CachedKeys] = {
            issuer: issuer_keys(issuer, settings.oidc_jwks_file, settings.oidc_algorithms, steady, policy)
            for issuer in settings.oidc_issuers
        }
        self._seen: Recent[tuple[UnverifiedJwt, VerificationKey]] = Recent()

    def login(self, token: str) -> Login:
        """Raises LoginRequired, or LoginUnavailable if the issuer's keys are not known."""
        name = hash_of(token)
        seen = self._seen.get(name)
        shown = unverified(token) if seen is None else seen[0]
        keys = self._keys.get(shown.issuer)
        if keys is None or shown.algorithm not in self._settings.oidc_algorithms:
            raise LoginRequired(INVALID)
        current = keys.find(shown.key_id, shown.algorithm)
        # A set that was fetched again has other keys: then the signature is verified again, by those.
        if seen is None or not any(key is seen[1] for key in current):
            self._seen.put(name, (shown, _verifying(shown, current)))
        claims.check(shown.claims, shown.issuer, self._settings.oidc_audience, self._clock())
        return claims.login(shown.claims, self._settings)


def _verifying(shown: UnverifiedJwt, keys: Iterable[VerificationKey]) -> VerificationKey:
    """The key of this issuer that verifies the signature."""
    for key in keys:
        if key.verifies(shown.token, shown.algorithm):
            return key
    raise LoginRequired(INVALID)
