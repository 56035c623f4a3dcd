"""Public keys of an issuer that may verify a JWT, from a JWK set. Imports jwt only when it reads a set."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

MOST_KEYS = 100
SHORTEST_RSA = 2048  # bits
#: Which algorithms a key of this type and curve may verify: the token does not choose.
ALGORITHMS_OF = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerificationKey:
    """`by_algorithm`: the algorithms that it may verify, each with the key in PyJWT's form."""

    key_id: str | None
    by_algorithm: Mapping[str, Any]

    def verifies(self, token: str, algorithm: str) -> bool:
        import jwt

        try:
            jwt.PyJWS().decode(token, self.by_algorithm[algorithm], algorithms=[algorithm])
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False
        return True


def read_set(content: bytes, algorithms: Collection[str]) -> list[VerificationKey]:
    """The usable keys of a JWK set, maybe none. Raises ValueError if it is not one."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise ValueError(f"it is not a JWK set of at most {MOST_KEYS} keys")
    return [key for one in keys if (key := _usable(one, algorithms)) is not None]


def _usable(found: object, algorithms: Collection[str]) -> VerificationKey | None:
    """None for a key of another use or type, for a secret one, and for one too weak."""
    if not isinstance(found, dict) or not _may_verify(found):
        return None
    kind, curve, key_id = found.get("kty"), found.get("crv"), found.get("kid")
    if not isinstance(kind, str) or not isinstance(curve, str | None) or not isinstance(key_id, str | None):
        return None
    own = found.get("alg")
    allowed = [
        name for name in ALGORITHMS_OF.get((kind, curve), ()) if name in algorithms and (own is None or own == name)
    ]
    by_algorithm = {name: key for name in allowed if (key := _built(found, name)) is not None}
    return VerificationKey(key_id, by_algorithm) if by_algorithm else None


def _may_verify(key: Mapping[str, Any]) -> bool:
    """Only a public key for signatures; one whose secret part is published verifies nothing."""
    operations = key.get("key_ops")
    right_use = key.get("use") in (None, "sig")
    right_operations = operations is None or (isinstance(operations, list) and "verify" in operations)
    return right_use and right_operations and not {"k", "d"} & key.keys()


def _built(found: dict[str, Any], algorithm: str) -> Any:
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = jwt.PyJWK(found, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm) as error:
        log.warning("a key of an issuer cannot be used: %s", type(error).__name__)
        return None
    if getattr(key.key, "key_size", SHORTEST_RSA) < SHORTEST_RSA and found["kty"] == "RSA":
        return None
    return key
