"""Signing of download URLs: a URL is valid as long as returned, whichever credentials sign it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.url_signing import assumed_signer, fixed_signer
from chalicelib.errors import StoreUnavailable

NOW = 1_700_000_000.0
ROLE = "arn:aws:iam::123456789012:role/cart-downloads"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class FakeSession:
    """A fake STS: a role's credentials last as long as requested, up to `longest` seconds."""

    def __init__(self, clock: Clock, longest: int = 3600) -> None:
        self.requests: list[dict[str, Any]] = []
        self._clock = clock
        self._longest = longest

    def client(self, name: str) -> FakeSession:
        assert name == "sts"
        return self

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        end = datetime.fromtimestamp(self._clock() + min(request["DurationSeconds"], self._longest), UTC)
        keys = {"AccessKeyId": f"key-{len(self.requests)}", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**keys, "Expiration": end}}


def client(**credentials: str) -> dict[str, str]:
    return credentials


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(clock: Clock) -> FakeSession:
    return FakeSession(clock)


@pytest.fixture
def signer(session: FakeSession, clock: Clock) -> Callable[[int], Any]:
    return lambda life: assumed_signer(client, session, ROLE, life, clock)  # type: ignore[arg-type]


def test_fixed_credentials_sign_for_the_whole_life_with_one_client() -> None:
    built: list[Any] = []

    def build() -> Any:
        built.append(object())
        return built[-1]

    sign = fixed_signer(build, 600)
    assert built == []
    assert [sign(), sign()] == [(built[0], 600)] * 2
    assert len(built) == 1


def test_a_role_signs_with_its_own_credentials(signer: Callable[[int], Any], session: FakeSession) -> None:
    signing, life = signer(900)()
    assert signing == {"aws_access_key_id": "key-1", "aws_secret_access_key": "s", "aws_session_token": "t"}
    assert life == 900
    assert session.requests[0]["RoleArn"] == ROLE


def test_a_role_is_assumed_again_only_when_it_would_not_outlive_a_url(
    signer: Callable[[int], Any], session: FakeSession, clock: Clock
) -> None:
    sign = signer(900)
    sign()
    clock.now += 899
    assert sign()[1] == 900
    assert len(session.requests) == 1
    clock.now += 2
    assert sign()[0]["aws_access_key_id"] == "key-2"
    assert len(session.requests) == 2


@pytest.mark.parametrize(("life", "duration"), [(60, 900), (900, 1800), (1800, 3600), (86400, 3600)])
def test_a_role_is_assumed_for_no_longer_than_sts_allows(
    signer: Callable[[int], Any], session: FakeSession, life: int, duration: int
) -> None:
    signer(life)()
    assert session.requests[0]["DurationSeconds"] == duration


def test_downloads_of_an_hour_share_credentials_until_half_their_life_is_left(
    signer: Callable[[int], Any], session: FakeSession, clock: Clock
) -> None:
    sign = signer(3600)
    lives = []
    for _ in range(50):
        lives.append(sign()[1])
        clock.now += 60
    assert len(session.requests) == 2
    assert lives[:2] == [3600, 3540]
    assert min(lives) >= 1800


def test_if_no_role_lives_long_enough_the_shorter_life_is_returned(signer: Callable[[int], Any]) -> None:
    assert signer(86400)()[1] == 3600


def test_a_url_is_signed_with_version_4_for_the_returned_life() -> None:
    s3: Any = boto3.client(
        "s3",
        region_name="eu-central-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(signature_version="s3v4"),
    )
    short, least = BundleStore(s3, lambda: (s3, 1234), "bucket").presign("carts/1/1.tar", "attachment", longest=300)
    assert (least, "X-Amz-Expires=300&" in short) == (300, True)
    assert BundleStore(s3, lambda: (s3, 60), "bucket").presign("carts/1/1.tar", "attachment", longest=300)[1] == 60
    url, life = BundleStore(s3, lambda: (s3, 1234), "bucket").presign("carts/1/1.tar", 'attachment; filename="a b"')
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["1234"] == [str(life)]
    assert query["response-content-disposition"] == ['attachment; filename="a b"']


@pytest.mark.parametrize(
    "fault",
    [
        botocore.exceptions.NoCredentialsError(),
        botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"),
    ],
)
def test_a_failing_signer_is_a_fault_of_the_store(fault: Exception) -> None:
    def failing() -> Any:
        raise fault

    with pytest.raises(StoreUnavailable):
        BundleStore(None, failing, "bucket").presign("carts/1/1.tar", "attachment")  # type: ignore[arg-type]
