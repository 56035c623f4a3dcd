"""Builds the clients of the queue and the store; none connects yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.aws.url_signing import assumed_signer, fixed_signer
from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Timeouts of the queue's and the store's clients in seconds, and the maximum attempts of a request."""

    connect: float
    queue: float
    store: float
    tries: int


def aws_session() -> boto3.session.Session:
    """Without a region boto3 fails too, but not in words that name a variable."""
    session = boto3.session.Session()
    if session.region_name is None:
        raise SettingsError(["AWS_DEFAULT_REGION: is not set"])
    return session


def client_timeouts(timeouts: ClientTimeouts, read: float) -> dict[str, Any]:
    tries = {"mode": "standard", "total_max_attempts": timeouts.tries}
    return {"connect_timeout": timeouts.connect, "read_timeout": read, "retries": tries}


def s3_client(
    session: boto3.session.Session, settings: Settings, timeouts: ClientTimeouts, **overrides: Any
) -> S3Client:
    config = Config(
        signature_version="s3v4",
        **client_timeouts(timeouts, timeouts.store),
        max_pool_connections=settings.upload_concurrency + settings.job_concurrency + 2,
        # The store verifies each body by its declared checksum; hashing or signing it too would be one more pass.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Stores other than AWS's do not resolve a bucket's host name.
        s3={"payload_signing_enabled": False, **({"addressing_style": "path"} if settings.store_endpoint else {})},
    )
    client: S3Client = session.client("s3", config=config, **overrides)
    return client


def url_signer(
    session: boto3.session.Session, settings: Settings, timeouts: ClientTimeouts
) -> Callable[[], tuple[S3Client, int]]:
    endpoint: Mapping[str, Any] = (
        {"endpoint_url": settings.bundle_public_endpoint.rstrip("/")} if settings.bundle_public_endpoint else {}
    )

    def client(**credentials: Any) -> S3Client:
        return s3_client(session, settings, timeouts, **endpoint, **credentials)

    if not settings.bundle_signing_role:
        return fixed_signer(client, settings.bundle_url_life)
    return assumed_signer(client, session, settings.bundle_signing_role, settings.bundle_url_life, time.time)
