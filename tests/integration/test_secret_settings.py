"""The token for the policy service, from Secrets Manager."""

from __future__ import annotations

import uuid

import boto3
import pytest

from chalicelib.aws.secret_settings import with_secrets
from chalicelib.config.settings import load
from chalicelib.errors import PolicyUnavailable
from tests.integration.conftest import KEYS


@pytest.fixture(autouse=True)
def keys(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws}.items():
        monkeypatch.setenv(variable, value)


def test_the_token_is_the_secrets_text() -> None:
    made = boto3.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretString="the token\n")
    settings = with_secrets(load({"POLICY_TOKEN_SECRET_ARN": made["ARN"]}))
    assert settings.policy_token == "the token"
    assert "the token" not in repr(settings)


def test_a_token_in_the_environment_is_kept() -> None:
    assert with_secrets(load({"POLICY_TOKEN_SECRET_ARN": "unknown", "POLICY_TOKEN": "set"})).policy_token == "set"


def test_without_a_secret_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    assert with_secrets(load({})).policy_token == ""


def test_a_secret_that_cannot_be_read_is_503_and_not_no_token() -> None:
    with pytest.raises(PolicyUnavailable, match="POLICY_TOKEN_SECRET_ARN"):
        with_secrets(load({"POLICY_TOKEN_SECRET_ARN": "unknown"}))
