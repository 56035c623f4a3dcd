"""The settings of access: who may ask, for which files, how much of them, and what is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.config.access_parsers import (
    algorithms,
    auth,
    bearer,
    endpoint,
    header_name,
    hosts,
    names,
    origins,
    url_list,
)
from chalicelib.config.parsers import TIB, count, days, period, positive, size, switch, text
from chalicelib.config.setting_field import setting


@dataclass(frozen=True)
class AccessSettings:
    """Part of Settings; lists are tuples."""

    auth: str = setting("AUTH", auth, "none", "How clients log in: `none`, `iam`, `oidc`, `token` or `oidc,token`.")
    auth_none_i_know: bool = setting(
        "AUTH_NONE_I_KNOW", switch, False, "If set, the server serves without logins on other than loopback addresses."
    )
    lambda_function: str = setting(
        "AWS_LAMBDA_FUNCTION_NAME",
        text,
        "",
        "Set by Lambda itself: `MAX_BODY` has another default, `AUTH` may be `iam`.",
    )
    oidc_issuers: tuple[str, ...] = setting(
        "OIDC_ISSUERS",
        url_list,
        (),
        "Issuers of accepted JWTs: their exact URLs, separated by commas; https except on loopback.",
    )
    oidc_audience: tuple[str, ...] = setting(
        "OIDC_AUDIENCE", names, (), "Audiences of accepted JWTs, separated by commas; required with `oidc`."
    )
    oidc_algorithms: tuple[str, ...] = setting(
        "OIDC_ALGORITHMS", algorithms, ("RS256", "ES256"), "Accepted algorithms of JWTs, separated by commas."
    )
    oidc_jwks_file: str = setting(
        "OIDC_JWKS_FILE", text, "", "File with the keys of the only issuer, instead of asking it for them."
    )
    groups_claim: str = setting("GROUPS_CLAIM", text, "groups", "Claim of a JWT with the groups of its subject.")
    admin_claim: str = setting("ADMIN_CLAIM", text, "", "Claim of a JWT that tells what its subject may do.")
    admin_value: str = setting(
        "ADMIN_VALUE",
        text,
        "",
        "Value of `ADMIN_CLAIM`, or with `iam` an ARN, maybe with `*`, that makes an administrator.",
    )
    read_only_value: str = setting(
        "READ_ONLY_VALUE", text, "", "The same of those who may read carts but not make or end any."
    )
    share_links: bool = setting(
        "SHARE_LINKS", switch, False, "If set, a cart may be shared with everybody who has the link."
    )
    share_url_life: int = setting(
        "SHARE_URL_LIFE", positive, 300, "Seconds a download URL is valid that was handed out through a share."
    )
    policy_url: str = setting("POLICY_URL", endpoint, "", "Address of the service that says who may read which files.")
    policy_file: str = setting("POLICY_FILE", text, "", "CSV file of groups that says so instead.")
    policy_ttl: float = setting("POLICY_TTL", period, 300.0, "Seconds after which that is asked again at a download.")
    policy_token: str = setting("POLICY_TOKEN", bearer, "", "Bearer token for that service.")
    policy_token_secret: str = setting(
        "POLICY_TOKEN_SECRET_ARN", text, "", "Secret in Secrets Manager that is that token, for Lambda."
    )
    archive_forward_user: str = setting(
        "ARCHIVE_FORWARD_USER",
        header_name,
        "",
        "Name of the header that tells the archive whose cart a request is for.",
    )
    archive_token: str = setting("ARCHIVE_TOKEN", bearer, "", "Bearer token for the archive.")
    archive_client_cert: str = setting(
        "ARCHIVE_CLIENT_CERT", text, "", "PEM file with the certificate, and maybe the key, to show the archive."
    )
    archive_client_key: str = setting(
        "ARCHIVE_CLIENT_KEY", text, "", "PEM file with the key, if it is not with the certificate."
    )
    limit_carts: int = setting(
        "LIMIT_CARTS", count, 200, "Live carts of one owner; 0 means no limit, as for those below."
    )
    limit_entries: int = setting("LIMIT_ENTRIES", count, 5_000_000, "Files in all live carts of one owner.")
    limit_bundles: int = setting("LIMIT_BUNDLES", size, 100 * TIB, "Bytes of all bundles kept for one owner.")
    limit_staging: int = setting(
        "LIMIT_STAGING", size, 0, "Bytes of the volume that windows of one owner have reserved; more windows wait."
    )
    limit_recalls: int = setting("LIMIT_RECALLS", count, 0, "Open recalls of one owner; more files wait.")
    limit_uploads: int = setting("LIMIT_UPLOADS", count, 20, "Uploads of one owner that no cart was made from yet.")
    limit_posts: int = setting("LIMIT_POSTS", count, 120, "POSTs of one owner in a minute.")
    limits: str = setting(
        "LIMITS", text, "", "JSON, or a file of it, with other limits for some owners and groups (docs/access.md)."
    )
    allowed_origins: tuple[str, ...] = setting(
        "ALLOWED_ORIGINS", origins, (), "Origins of web pages that may call the API, separated by commas."
    )
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        hosts,
        (),
        "Host names by which clients may call the API; by default loopback names on a loopback address, else any.",
    )
    audit_days: float = setting("AUDIT_DAYS", days, 365.0, "Days the record of who did what is kept.")
