"""Credentials that sign download URLs, so that a URL is valid as long as promised.

A URL expires with the credentials that signed it. Long-lived credentials outlive any URL. A Lambda cannot tell when its
own credentials expire, so it assumes a role whose credentials have a known end. They are reused while they outlive a
new URL. A chained role is limited to an hour: URLs that ask for more than half of that would need new credentials each,
so these are reused until half their life is left, and the true life of the URL is returned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.aws.bundle_store import Signer

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

LONGEST_CHAINED = 3600  # seconds; STS, "Role chaining"
SHORTEST = 900  # seconds; STS, AssumeRole DurationSeconds


def fixed_signer(client: Callable[[], S3Client], life: int) -> Signer:
    """Signs with the process's own credentials; builds the client at the first use."""
    built: list[S3Client] = []
    lock = threading.Lock()

    def sign() -> tuple[S3Client, int]:
        with lock:
            if not built:
                built.append(client())
        return built[0], life

    return sign


def assumed_signer(
    client: Callable[..., S3Client],
    session: boto3.session.Session,
    role: str,
    life: int,
    clock: Callable[[], float],
) -> Signer:
    """Signs with credentials of `role`: for `life` seconds, but perhaps only half the credentials' life."""
    duration = max(SHORTEST, min(LONGEST_CHAINED, life * 2))
    least = min(life, duration // 2)
    cached: list[tuple[S3Client, float]] = []
    lock = threading.Lock()

    def assume() -> tuple[S3Client, float]:
        answer = session.client("sts").assume_role(
            RoleArn=role, RoleSessionName="pacifica-cart-download", DurationSeconds=duration
        )["Credentials"]
        signing = client(
            aws_access_key_id=answer["AccessKeyId"],
            aws_secret_access_key=answer["SecretAccessKey"],
            aws_session_token=answer["SessionToken"],
        )
        return signing, answer["Expiration"].timestamp()

    def sign() -> tuple[S3Client, int]:
        with lock:
            if not cached or cached[0][1] - clock() < least:
                cached[:] = [assume()]
            signing, end = cached[0]
            return signing, min(life, int(end - clock()))

    return sign
