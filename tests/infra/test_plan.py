"""The plans of infra/: what is public, what is encrypted, and what the policies allow."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra import package
from tests.infra import policies, terraform
from tests.infra.hcl import INFRA
from tests.infra.terraform import Terraform
from tests.integration.test_credentials import Authority

pytestmark = [pytest.mark.timeout(1200), *terraform.MARKS]
EXAMPLES = tuple(terraform.PLANNED)
GATEWAYS = ("gateway_id", "nat_gateway_id", "transit_gateway_id")


def test_the_files_are_formatted(endpoint: str) -> None:
    Terraform(INFRA, endpoint)("fmt", "-check", "-recursive", "-diff", ".")


def test_the_zip_contains_the_code_and_the_certificates(zipped: Path, authority: Authority) -> None:
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
        assert archive.read(package.CA_NAME).decode() == authority.pem
    modules = {str(path.relative_to(INFRA.parent)) for path in (INFRA.parent / "chalicelib").rglob("*.py")}
    assert {name for name in names if name.startswith("chalicelib/")} == modules
    assert {"app.py", "peewee.py", "pymysql/__init__.py", "boto3/__init__.py"} <= set(names)
    assert f"python{sys.version_info.major}.{sys.version_info.minor}" in zipped.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_planned_policy_has_a_broad_wildcard(plans: dict[str, Any], example: str) -> None:
    plan = plans[example]
    planned = list(policies.resources(plan["planned_values"]["root_module"]))
    known = list(policies.statements(planned))
    assert len(known) > 20
    assert [
        (where, wide)
        for where, statement in [*known, *policies.unknown_until_apply(plan)]
        if (wide := policies.too_wide(statement))
    ] == []
    attached = [r["values"]["policy_arn"] for r in planned if r["type"] == "aws_iam_role_policy_attachment"]
    assert all(arn.endswith(policies.MANAGED) for arn in attached)


@pytest.mark.parametrize("example", EXAMPLES)
def test_only_the_api_is_public_and_everything_is_encrypted(plans: dict[str, Any], example: str) -> None:
    planned = list(policies.resources(plans[example]["planned_values"]["root_module"]))
    values = {kind: [r["values"] for r in planned if r["type"] == kind] for kind in {r["type"] for r in planned}}
    assert all(v["storage_encrypted"] and not v["publicly_accessible"] for v in values["aws_db_instance"])
    assert all(v["encrypted"] for v in values["aws_efs_file_system"])
    assert all(v["sqs_managed_sse_enabled"] for v in values["aws_sqs_queue"])
    assert all(v["restrict_public_buckets"] for v in values["aws_s3_bucket_public_access_block"])
    assert not any(v["map_public_ip_on_launch"] for v in values["aws_subnet"])
    assert not any(v["network_configuration"][0]["assign_public_ip"] for v in values["aws_ecs_service"])
    assert not any(v["cidr_ipv4"] for v in values["aws_vpc_security_group_ingress_rule"])


@pytest.mark.parametrize(
    ("example", "gateway"), [("small", "nat_gateway_id"), ("vpn", "gateway_id"), ("large", "transit_gateway_id")]
)
def test_private_subnets_have_routes_only_to_what_is_configured(
    plans: dict[str, Any], example: str, gateway: str
) -> None:
    changes = [c for c in plans[example]["resource_changes"] if c["type"] == "aws_route"]
    private = [c["change"] for c in changes if c["name"] == "outside"]
    networks = {change["after"]["destination_cidr_block"] for change in private}
    call = plans[example]["configuration"]["root_module"]["module_calls"]["cart"]
    named = [call["expressions"].get(f"{name}_cidrs", {}) for name in ("archive", "issuer", "policy")]
    assert networks == {cidr for expression in named for cidr in expression.get("constant_value", [])}
    assert len(private) == len(networks) * (3 if example == "large" else 2)
    for change in private:
        known = {name for name in GATEWAYS if change["after"].get(name)}
        unknown = {name for name in GATEWAYS if change["after_unknown"].get(name)}
        assert known | unknown >= {gateway}
        assert known <= {gateway}
    others = [(c["name"], c["change"]["after"]["destination_cidr_block"]) for c in changes if c["name"] != "outside"]
    assert others == ([("internet", "0.0.0.0/0")] if example == "small" else [])


@pytest.mark.usefixtures("plans")
def test_more_workers_than_database_connections_are_rejected(folder: Path, endpoint: str) -> None:
    root = folder / "examples" / "small"
    (root / "many_override.tf").write_text('module "cart" {\n  worker_count = { least = 1, most = 40 }\n}\n')
    with pytest.raises(AssertionError, match="Too few for api_concurrency"):
        Terraform(root, endpoint).plan()
    (root / "many_override.tf").unlink()


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('auth = "none"', "auth_none_i_know"),
        ('auth = "basic"', "Must be oidc, token"),
        ("issuer_cidrs = []", "required by auth = oidc"),
        ('oidc = { issuers = ["http://login.example.org/"], audience = ["cart"] }', "Issuers must be https"),
        ('policy_url = "https://policy.example.org/"', "set together"),
        ('policy_cidrs = ["192.0.2.0/24"]', "set together"),
        ('iam_principals = ["arn:aws:iam::123456789012:role/*"]', "without"),
        ('settings = { POLICY_TOKEN = "secret" }', "unknown setting"),
        (f'settings = {{ LIMITS = "{"x" * 3000}" }}', "Too long"),
    ],
)
def test_what_would_be_open_or_broken_is_rejected(folder: Path, endpoint: str, arguments: str, message: str) -> None:
    root = folder / "examples" / "small"
    (root / "bad_override.tf").write_text(f'module "cart" {{\n  {arguments}\n}}\n')
    try:
        with pytest.raises(AssertionError, match=message):
            Terraform(root, endpoint).plan()
    finally:
        (root / "bad_override.tf").unlink()


def test_with_iam_only_signed_requests_reach_carts(plans: dict[str, Any]) -> None:
    planned = list(policies.resources(plans["iam"]["planned_values"]["root_module"]))
    methods = {r["index"]: r["values"]["authorization"] for r in planned if r["type"] == "aws_api_gateway_method"}
    unsigned = {call for call, authorization in methods.items() if authorization == "NONE"}
    shared = {call for call in methods if " /-/shared/" in call}
    ownerless = {"GET /", "GET /-/healthz", "GET /-/readyz", "GET /-/notify-keys"}
    assert unsigned == ownerless | shared | {call for call in methods if call.startswith("OPTIONS ")}
    assert {methods[call] for call in methods.keys() - unsigned} == {"AWS_IAM"}


def test_signed_urls_work_only_from_where_they_may(plans: dict[str, Any]) -> None:
    for name, addresses in (("iam", ["192.0.2.0/24"]), ("small", None)):
        planned = list(policies.resources(plans[name]["planned_values"]["root_module"]))
        (policy,) = [r["values"]["policy"] for r in planned if r["address"].endswith("aws_iam_role_policy.signing")]
        for statement in json.loads(policy)["Statement"]:
            condition = statement.get("Condition", {}).get("IpAddress", {}).get("aws:SourceIp")
            assert ([condition] if isinstance(condition, str) else condition) == addresses


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_secret_is_in_a_plan(plans: dict[str, Any], example: str) -> None:
    planned = list(policies.resources(plans[example]["planned_values"]["root_module"]))
    kinds = {resource["type"] for resource in planned}
    assert "aws_secretsmanager_secret" in kinds
    assert "aws_secretsmanager_secret_version" not in kinds
    for function in [r["values"] for r in planned if r["type"] == "aws_lambda_function"]:
        for environment in function["environment"]:
            names = set(environment.get("variables") or {})
            assert not names & {"POLICY_TOKEN", "ARCHIVE_TOKEN", "MYSQL_PASSWORD"}
