"""The check for broad wildcards in policies, which the tests of plans rely on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.policies import too_wide

ACCOUNT = "us-east-1:123456789012"


def statement(**changes: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/carts/*", **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Resource": f"arn:aws:logs:{ACCOUNT}:log-group:/cart/workers:*"},
        {"Action": "ec2:CreateNetworkInterface", "Resource": f"arn:aws:ec2:{ACCOUNT}:subnet/*"},
        {"Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:{ACCOUNT}:a1b2c3/api/*"},
        {"Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:{ACCOUNT}:a1b2c3/api/OPTIONS/*"},
        {"Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:{ACCOUNT}:a1b2c3/api/GET/-/shared/*"},
        {"Action": "ecs:UpdateTaskProtection", "Resource": f"arn:aws:ecs:{ACCOUNT}:task/cart/*"},
        {"Sid": "RegistryLogin", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ],
)
def test_a_statement_with_specific_resources_passes(changes: dict[str, Any]) -> None:
    assert too_wide(statement(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": "*"},
        {"Resource": "arn:aws:s3:::*"},
        {"Resource": "arn:aws:s3:::b*/carts/*"},
        {"Action": "ecs:UpdateTaskProtection", "Resource": f"arn:aws:ecs:{ACCOUNT}:task/*"},
        {"Resource": ["arn:aws:s3:::b/carts/*", "arn:aws:s3:::*/*"]},
        {"Action": "s3:*"},
        {"Action": ["s3:GetObject", "s3:Put*"]},
        {"Resource": f"arn:aws:sqs:{ACCOUNT}:*"},
        {"Resource": f"arn:aws:logs:{ACCOUNT}:log-group:*"},
        {"Resource": "arn:aws:secretsmanager:us-east-1:*:secret:rds"},
        {"Resource": f"arn:aws:execute-api:{ACCOUNT}:*"},
        {"Resource": f"arn:aws:execute-api:{ACCOUNT}:a1b2c3/api/GET/*"},
        {"Sid": "RegistryLogin", "Action": ["ecr:GetAuthorizationToken", "s3:GetObject"], "Resource": "*"},
        {"NotAction": "s3:PutObject"},
    ],
)
def test_a_statement_with_a_broad_wildcard_is_found(changes: dict[str, Any]) -> None:
    assert too_wide(statement(**changes)) != []
