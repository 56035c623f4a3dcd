"""Checks of `doctor`: the bucket, its download URLs, its lifecycle rules, this machine's clock by the store's."""

from __future__ import annotations

import email.utils
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from chalicelib.admin.checks import Check, Problem
from chalicelib.admin.looking import LOOKING, Store
from chalicelib.aws.bundle_store import CARTS
from chalicelib.config.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.aws.bundle_store import Signer

PREFIX = "doctor/"
CONTENT = b"pacifica-cartd-cmd doctor\n"
SKEW = 5.0  # seconds; the store refuses requests whose time is 15 minutes off
TIMEOUTS = (LOOKING.connect, LOOKING.store)
STORE = "Is the store up, is AWS_ENDPOINT_URL_S3 its address, and are the credentials right?"
SIGNING = (
    "Can this machine reach the address of download URLs (BUNDLE_PUBLIC_ENDPOINT), and is the signer allowed to read?"
)
ROLE = "May this login assume BUNDLE_SIGNING_ROLE, and is STS reachable?"
CLOCK = "Set this machine's clock, and run NTP."
REFUSED = {
    "NoSuchBucket": "Make the bucket, or correct BUNDLE_BUCKET.",
    "AccessDenied": "Allow this login to read, write and delete in the bucket BUNDLE_BUCKET.",
    "InvalidAccessKeyId": "Correct the credentials, as AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "Correct the credentials, as AWS_SECRET_ACCESS_KEY.",
    "RequestTimeTooSkewed": CLOCK,
}


def store_checks(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """`clock`: this machine's."""
    s3, bucket = store.s3, store.bucket
    yield Check("bucket", lambda: _bucket(s3, bucket), STORE)
    yield Check("download URL", lambda: _download(s3, store.signer, bucket), SIGNING)
    yield Check("lifecycle", lambda: _lifecycle(s3, bucket, settings.bundle_ttl), STORE)
    yield Check("clock", lambda: _clock(s3.meta.endpoint_url, clock), STORE)
    if settings.bundle_signing_role:
        yield Check("signing role", lambda: _role(store.signer), ROLE)


def _bucket(s3: S3Client, bucket: str) -> str:
    key = _key()
    started = time.monotonic()
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=CONTENT)
        try:
            same = s3.get_object(Bucket=bucket, Key=key)["Body"].read() == CONTENT
        finally:
            s3.delete_object(Bucket=bucket, Key=key)
    except botocore.exceptions.ClientError as error:
        raise _refused(error, bucket) from error
    if not same:
        raise Problem(f"{bucket} returns other bytes than were written", "Do not use this store until it is repaired.")
    return f"{bucket}: written, read and deleted in {1000 * (time.monotonic() - started):.0f} ms"


def _download(s3: S3Client, signer: Signer, bucket: str) -> str:
    import requests

    key = _key()
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=CONTENT)
        try:
            client, life = signer()
            url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=life)
            answer = requests.get(url, timeout=TIMEOUTS, allow_redirects=False)
        finally:
            s3.delete_object(Bucket=bucket, Key=key)
    except botocore.exceptions.ClientError as error:
        raise _refused(error, bucket) from error
    except requests.RequestException as error:
        raise Problem(f"{url.partition('?')[0]} cannot be reached: {type(error).__name__}", SIGNING) from error
    if (answer.status_code, answer.content) != (200, CONTENT):
        raise Problem(f"{url.partition('?')[0]} answers {answer.status_code}", SIGNING)
    return f"works, valid for {life} s"


def _lifecycle(s3: S3Client, bucket: str, ttl: float) -> str:
    """Whether no rule deletes bundles before they expire; some stores have no rules."""
    try:
        rules: Any = s3.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except botocore.exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code == "NoSuchBucket":
            raise _refused(error, bucket) from error
        return "no rules" if code == "NoSuchLifecycleConfiguration" else f"unknown: the store says {code}"
    for rule in rules:
        prefix = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", "")) or ""
        days = rule.get("Expiration", {}).get("Days")
        covers = CARTS.startswith(prefix) or prefix.startswith(CARTS)
        if rule.get("Status") == "Enabled" and covers and days and days * 86400 < ttl:
            what = f"the rule {rule.get('ID', '')} deletes bundles after {days} d, BUNDLE_TTL is {ttl / 86400:.0f} d"
            raise Problem(what, "Raise the rule's days above BUNDLE_TTL: else ready carts lose their bundle.")
    return f"{len(rules)} rules, none deletes bundles before BUNDLE_TTL"


def _clock(endpoint: str, clock: Callable[[], float]) -> str:
    """By the `Date` of an answer, which may be an error: no login is needed."""
    import requests

    try:
        answer = requests.head(endpoint, timeout=TIMEOUTS, allow_redirects=False)
    except requests.RequestException as error:
        raise Problem(f"the store gives no time to compare with: {type(error).__name__}", STORE) from error
    date = answer.headers.get("Date")
    if not date:
        return "the store says no time"
    ahead = clock() - email.utils.parsedate_to_datetime(date).timestamp()
    if abs(ahead) > SKEW:
        raise Problem(
            f"this machine's is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the store's", CLOCK
        )
    return "agrees with the store's"


def _role(signer: Signer) -> str:
    try:
        _, life = signer()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise Problem(str(error), ROLE) from error
    return f"assumed; URLs are valid for {life} s"


def _refused(error: botocore.exceptions.ClientError, bucket: str) -> Problem:
    code = str(error.response.get("Error", {}).get("Code", "an error"))
    return Problem(f"the store refuses the bucket {bucket}: {code}", REFUSED.get(code, STORE))


def _key() -> str:
    return f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
