"""Refuses settings of logins that contradict each other, before the first request is served."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.auth.issuer_keys import is_safe, keys_in_file
from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError


def check_login(settings: Settings) -> None:
    """Raises SettingsError, which names every variable that is wrong."""
    problems = [*_of_auth(settings), *_of_roles(settings)]
    if "oidc" in settings.auth:
        problems += _of_oidc(settings)
    if problems:
        raise SettingsError(problems)


def _of_auth(settings: Settings) -> Iterator[str]:
    in_lambda = bool(settings.lambda_function)
    if settings.auth == "iam" and not in_lambda:
        yield "AUTH: iam works only in Lambda, behind API Gateway's IAM authorizer"
    if settings.auth == "none" and in_lambda and not settings.auth_none_i_know:
        yield "AUTH: is none, so that anybody may use every cart; to allow that in Lambda, set AUTH_NONE_I_KNOW=1"


def _of_roles(settings: Settings) -> Iterator[str]:
    if "oidc" in settings.auth and bool(settings.admin_claim) != bool(settings.admin_value or settings.read_only_value):
        yield "ADMIN_CLAIM: is needed together with ADMIN_VALUE or READ_ONLY_VALUE"
    if settings.admin_value and settings.admin_value == settings.read_only_value:
        yield "READ_ONLY_VALUE: is the same as ADMIN_VALUE"


def _of_oidc(settings: Settings) -> Iterator[str]:
    if not settings.oidc_issuers:
        yield "OIDC_ISSUERS: is required with AUTH=oidc"
    if not settings.oidc_audience:
        yield "OIDC_AUDIENCE: is required with AUTH=oidc, or tokens made for other services would be valid here"
    if settings.oidc_jwks_file:
        yield from _of_file(settings)
    elif not all(map(is_safe, settings.oidc_issuers)):
        yield "OIDC_ISSUERS: must be https URLs, because their keys are fetched; http only on loopback"


def _of_file(settings: Settings) -> Iterator[str]:
    if len(settings.oidc_issuers) > 1:
        yield "OIDC_JWKS_FILE: has the keys of one issuer, but OIDC_ISSUERS names several"
    try:
        usable = keys_in_file(settings.oidc_jwks_file, settings.oidc_algorithms)
    except (OSError, ValueError) as error:
        yield f"OIDC_JWKS_FILE: cannot be read: {error}"
        return
    if not usable:
        yield "OIDC_JWKS_FILE: has no public key for signatures by OIDC_ALGORITHMS"
