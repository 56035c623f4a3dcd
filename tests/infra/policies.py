"""Which policies a plan or a state has, and what in them is wider than it should be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Statements that AWS leaves no resource to name in; docs/deploy.md says why.
EXCEPTIONS = {
    "NetworkLook": {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"},
    "RegistryLogin": {"ecr:GetAuthorizationToken"},
}
MANAGED = ("AmazonAPIGatewayPushToCloudWatchLogs",)
POLICIES = ("policy", "assume_role_policy")
#: All in one bucket or below one prefix of it, one log's streams, one API's stage, one account's kind of thing in EC2.
UNDER = re.compile(
    r"arn:aws:(s3:::[^*/]+/([^*]+/)?|(logs:[^*:]+:\d+:log-group:[^*:]+:)"
    r"|execute-api:[^*:]+:\d+:\w+/\w+/|ec2:[^*:]+:\d+:[a-z-]+/)\*"
)


def resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every resource that is made, of a module of `planned_values` or `values`."""
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield {"values": {}, **resource}  # where all is not known yet, there is none
    for child in module.get("child_modules", []):
        yield from resources(child)


def statements(all_resources: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and statement of every policy whose text is known."""
    for resource in all_resources:
        if resource["type"] == "aws_ecr_lifecycle_policy":  # rules, not rights
            continue
        for name in POLICIES:
            if text := resource["values"].get(name):
                for statement in _listed(json.loads(text)["Statement"]):
                    yield resource["address"], statement


def unread(plan: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and statement of what can be read of policies that name things not yet made."""
    for change in plan["resource_changes"]:
        if change["type"] == "aws_iam_policy_document":
            for statement in change["change"]["after"].get("statement") or []:
                capital = {
                    "Sid": statement.get("sid"),
                    "Effect": statement.get("effect"),
                    "Action": statement["actions"],
                }
                yield change["address"], {**capital, "Resource": statement.get("resources") or []}


def too_wide(statement: dict[str, Any]) -> list[str]:
    """What a statement allows that it should not."""
    if statement.get("Effect") == "Deny":
        return []
    actions = set(_listed(statement["Action"]))
    named = [resource for resource in _listed(statement.get("Resource", [])) if resource]
    if statement.get("Sid") in EXCEPTIONS and actions <= EXCEPTIONS[statement["Sid"]]:
        named = []
    wide = [action for action in actions if "*" in action]
    wide += [resource for resource in named if "*" in resource and not UNDER.fullmatch(resource)]
    if "NotAction" in statement or "NotResource" in statement:
        wide.append("NotAction or NotResource")
    return wide


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
