"""Finds the policies of a plan or a state, and what they allow too broadly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Statements whose actions have no resource level in AWS; docs/deploy.md explains them.
EXCEPTIONS = {
    "NetworkLook": {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"},
    "RegistryLogin": {"ecr:GetAuthorizationToken"},
}
MANAGED = ("AmazonAPIGatewayPushToCloudWatchLogs",)
POLICIES = ("policy", "assume_role_policy")
#: Allowed wildcards: one bucket or prefix, the streams of one log group, one API stage, one type of EC2 resource,
#: the tasks of one cluster.
ALLOWED_WILDCARDS = re.compile(
    r"arn:aws:(s3:::[^*/]+/([^*]+/)?|(logs:[^*:]+:\d+:log-group:[^*:]+:)"
    r"|execute-api:[^*:]+:\d+:\w+/\w+/(OPTIONS/|(GET|HEAD)/-/shared/)?|ec2:[^*:]+:\d+:[a-z-]+/|ecs:[^*:]+:\d+:task/[^*/]+/)\*"
)


def resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every managed resource of a module in `planned_values` or `values`, including child modules."""
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield {"values": {}, **resource}  # `values` is missing while none of them is known
    for child in module.get("child_modules", []):
        yield from resources(child)


def statements(all_resources: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and statement of every policy whose document is known."""
    for resource in all_resources:
        if resource["type"] == "aws_ecr_lifecycle_policy":  # rules, not permissions
            continue
        for name in POLICIES:
            if text := resource["values"].get(name):
                for statement in _as_list(json.loads(text)["Statement"]):
                    yield resource["address"], statement


def unknown_until_apply(plan: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and statement of policies that refer to resources not yet created, as far as they are known."""
    for change in plan["resource_changes"]:
        if change["type"] == "aws_iam_policy_document":
            for statement in change["change"]["after"].get("statement") or []:
                converted = {
                    "Sid": statement.get("sid"),
                    "Effect": statement.get("effect"),
                    "Action": statement["actions"],
                }
                yield change["address"], {**converted, "Resource": statement.get("resources") or []}


def too_wide(statement: dict[str, Any]) -> list[str]:
    """The wildcards of a statement that it should not have."""
    if statement.get("Effect") == "Deny":
        return []
    actions = set(_as_list(statement["Action"]))
    arns = [resource for resource in _as_list(statement.get("Resource", [])) if resource]
    if statement.get("Sid") in EXCEPTIONS and actions <= EXCEPTIONS[statement["Sid"]]:
        arns = []
    wide = [action for action in actions if "*" in action]
    wide += [arn for arn in arns if "*" in arn and not ALLOWED_WILDCARDS.fullmatch(arn)]
    if "NotAction" in statement or "NotResource" in statement:
        wide.append("NotAction or NotResource")
    return wide


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
