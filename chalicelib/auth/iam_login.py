"""Logins that API Gateway's IAM authorizer has checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.auth.login import READ_ONLY, READ_WRITE, Login, is_plain, owner_named
from chalicelib.caller import Scope
from chalicelib.errors import LoginRequired

SIGNED = "AWS4-"  # how the header of a signed request begins: API Gateway has checked it, and nobody another one
_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::[0-9]{12}:[\w+=,.@/-]+", re.ASCII)


class IamLogin:
    def __init__(self, admin: str, read_only: str) -> None:
        """`admin`, `read_only`: ARNs of administrators and of those who only read; `*` is any text without : and /."""
        self._admin = _pattern(admin)
        self._read_only = _pattern(read_only)

    def login(self, identity: Mapping[str, Any], authorization: str | None) -> Login:
        """Raises LoginRequired without an identity, or with a header that API Gateway did not check."""
        arn = identity.get("userArn")
        if not isinstance(arn, str) or not _ARN.fullmatch(arn) or not is_plain(arn):
            raise LoginRequired("This needs a login: sign the request with AWS credentials (Signature Version 4).")
        if authorization is not None and not authorization.startswith(SIGNED):
            raise LoginRequired("The Authorization header is not valid here: sign the request with AWS credentials.")
        return Login(owner_named(arn), self._scopes(arn))

    def _scopes(self, arn: str) -> frozenset[Scope]:
        if self._admin.fullmatch(arn):
            return READ_WRITE | {Scope.ADMIN}
        return READ_ONLY if self._read_only.fullmatch(arn) else READ_WRITE


def _pattern(arn: str) -> re.Pattern[str]:
    """Without an ARN, one that matches nobody: no ARN is empty."""
    return re.compile(re.escape(arn).replace(r"\*", "[^:/]*"))
