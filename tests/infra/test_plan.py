"""infra/ planned, and the plans read: what they make public, what they encrypt, what they allow to whom."""

from __future__ import annotations

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

pytestmark = [pytest.mark.timeout(1200), *terraform.NEEDED]
EXAMPLES = tuple(terraform.PLANNED)
GATEWAYS = ("gateway_id", "nat_gateway_id", "transit_gateway_id")


def test_the_files_have_their_one_format(endpoint: str) -> None:
    Terraform(INFRA, endpoint)("fmt", "-check", "-recursive", "-diff", ".")


def test_the_zip_holds_the_code_and_the_certificates(zipped: Path, authority: Authority) -> None:
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
        assert archive.read(package.CA_NAME).decode() == authority.pem
    ours = {str(path.relative_to(INFRA.parent)) for path in (INFRA.parent / "chalicelib").rglob("*.py")}
    assert {name for name in names if name.startswith("chalicelib/")} == ours
    assert {"app.py", "peewee.py", "pymysql/__init__.py", "boto3/__init__.py"} <= set(names)
    assert f"python{sys.version_info.major}.{sys.version_info.minor}" in zipped.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_plans_policies_name_what_they_allow(plans: dict[str, Any], example: str) -> None:
    plan = plans[example]
    planned = list(policies.resources(plan["planned_values"]["root_module"]))
    known = list(policies.statements(planned))
    assert len(known) > 20
    assert [
        (where, wide) for where, said in [*known, *policies.unread(plan)] if (wide := policies.too_wide(said))
    ] == []
    attached = [r["values"]["policy_arn"] for r in planned if r["type"] == "aws_iam_role_policy_attachment"]
    assert all(arn.endswith(policies.MANAGED) for arn in attached)


@pytest.mark.parametrize("example", EXAMPLES)
def test_nothing_but_the_api_is_public_and_all_is_encrypted(plans: dict[str, Any], example: str) -> None:
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
def test_private_networks_reach_the_archives_and_no_other(plans: dict[str, Any], example: str, gateway: str) -> None:
    changes = [c for c in plans[example]["resource_changes"] if c["type"] == "aws_route"]
    private = [c["change"] for c in changes if c["name"] == "archive"]
    networks = {change["after"]["destination_cidr_block"] for change in private}
    call = plans[example]["configuration"]["root_module"]["module_calls"]["cart"]
    assert networks == set(call["expressions"]["archive_cidrs"]["constant_value"])
    assert len(private) == len(networks) * (3 if example == "large" else 2)
    for change in private:
        known = {name for name in GATEWAYS if change["after"].get(name)}
        unknown = {name for name in GATEWAYS if change["after_unknown"].get(name)}
        assert known | unknown >= {gateway}
        assert known <= {gateway}
    others = [(c["name"], c["change"]["after"]["destination_cidr_block"]) for c in changes if c["name"] != "archive"]
    assert others == ([("internet", "0.0.0.0/0")] if example == "small" else [])


@pytest.mark.usefixtures("plans")
def test_more_workers_than_the_database_has_connections_for_are_refused(folder: Path, endpoint: str) -> None:
    root = folder / "examples" / "small"
    (root / "many_override.tf").write_text('module "cart" {\n  worker_count = { least = 1, most = 40 }\n}\n')
    with pytest.raises(AssertionError, match="Too few for api_concurrency"):
        Terraform(root, endpoint).plan()
    (root / "many_override.tf").unlink()
