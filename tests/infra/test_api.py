"""Who may call which address of the API, and what API Gateway says by itself: the text of infra/ and .chalice/."""

from __future__ import annotations

import json
import re

import pytest

from tests.infra.hcl import ROOT, block, routes, source

TYPES = re.compile(r"^\s+([A-Z_0-9]+)\s+= ", re.MULTILINE)


def test_no_setting_of_the_api_is_missing_in_the_deployments_triggers() -> None:
    """The stage serves what was deployed last: what changes without a trigger is planned and not served."""
    triggers = block(source("api.tf"), "triggers = {")
    for served in (
        "local.calls",
        "local.gateway_responses",
        "var.api_allowed_cidrs",
        "local.signed",
        "var.iam_principals",
    ):
        assert served in triggers, served
    used = set(re.findall(r"var\.(\w+)", source("api_callers.tf") + block(source("api.tf"), "locals {")))
    # share_links changes local.calls, rehearsal is for tests, and the others are in the triggers themselves.
    assert used - set(re.findall(r"var\.(\w+)", triggers)) <= {"auth", "share_links", "rehearsal"}


def test_only_preflights_and_what_has_no_owner_are_unsigned() -> None:
    unsigned = block(source("api.tf"), "unsigned = concat(")
    assert set(re.findall(r'"(GET [^"]+)"', unsigned)) == {
        "GET /",
        "GET /-/healthz",
        "GET /-/readyz",
        "GET /-/notify-keys",
    }
    assert {("/", "GET"), ("/-/healthz", "GET"), ("/-/readyz", "GET")} <= routes()


def test_the_access_log_has_no_path_with_a_token_and_says_who_called() -> None:
    logged = block(source("api.tf"), "format = jsonencode({")
    assert "$context.path" not in logged
    for field in ("resourcePath", "requestId", "identity.sourceIp", "identity.userArn", "status"):
        assert f"$context.{field}" in logged


def test_what_the_gateway_says_by_itself_has_our_form() -> None:
    text = source("api_responses.tf")
    found = set(TYPES.findall(block(text, "gateway_responses = {")))
    assert found >= {
        "MISSING_AUTHENTICATION_TOKEN",
        "ACCESS_DENIED",
        "UNAUTHORIZED",
        "INVALID_SIGNATURE",
        "EXPIRED_TOKEN",
    }
    assert found >= {"THROTTLED", "REQUEST_TOO_LARGE", "DEFAULT_4XX", "DEFAULT_5XX"}
    assert "X-Pacifica-Status" in text
    assert "X-Pacifica-Message" in text
    assert '"Retry-After"' in text or "Retry-After =" in text


def test_a_domain_is_the_only_way_in() -> None:
    assert "disable_execute_api_endpoint = var.domain != null" in source("api.tf")


def test_what_chalice_deploys_is_not_public() -> None:
    stage = json.loads((ROOT / ".chalice/config.json").read_text())["stages"]["dev"]
    policy = json.loads((ROOT / ".chalice" / stage["api_gateway_policy_file"]).read_text())
    (statement,) = policy["Statement"]
    assert statement["Condition"]["IpAddress"]["aws:SourceIp"] == ["127.0.0.1/32"]


@pytest.mark.parametrize("name", ["POLICY_TOKEN", "ARCHIVE_TOKEN"])
def test_a_token_is_in_no_environment(name: str) -> None:
    settings = source("settings.tf")
    assert name in block(settings, "worker_secrets = {")
    assert not re.search(rf"^\s+{name}\s+=", settings.replace(block(settings, "worker_secrets = {"), ""), re.MULTILINE)
    assert "secrets " in source("workers.tf")
    assert not re.search(r'variable "(policy|archive)_token" ', source("variables_access.tf"))
