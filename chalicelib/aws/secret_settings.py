"""Settings that are secrets in Secrets Manager, since anybody who may describe a Lambda function sees its environment.

A container is given its secrets by ECS, or as files. boto3 makes a client only if a secret is named.
"""

from __future__ import annotations

import dataclasses

from chalicelib.config.settings import Settings
from chalicelib.errors import PolicyUnavailable


def with_secrets(settings: Settings) -> Settings:
    """The settings with the token that POLICY_TOKEN_SECRET_ARN names. Raises PolicyUnavailable."""
    if not settings.policy_token_secret or settings.policy_token:
        return settings
    return dataclasses.replace(settings, policy_token=_read(settings.policy_token_secret))


def _read(name: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=10)
    try:
        client = boto3.session.Session().client("secretsmanager", config=config)
        token: str = client.get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise PolicyUnavailable("Secrets Manager does not give POLICY_TOKEN_SECRET_ARN.") from error
    return token.strip()
