"""Applies infra/ to moto, makes a cart with it, plans again and destroys it, in this order (`make test-infra`)."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from chalicelib.admin import command
from chalicelib.config.settings import Settings, load
from chalicelib.wiring import build
from infra import package
from infra.local.archive_simulator import running_simulator
from tests.callers import ANYONE
from tests.infra import policies, terraform
from tests.infra.terraform import KEYS, Terraform
from tests.infra.test_permissions import ACTIONS
from tests.integration import mariadb
from tests.integration.api.transports import OverLambda
from tests.integration.test_credentials import Authority
from tests.integration.test_lambda import SCHEDULED, serve
from workers.wiring import assemble

pytestmark = [pytest.mark.timeout(1200), *terraform.MARKS]
NAME = "rehearsed-cart"
ROOT_MODULE = """
provider "aws" {}

module "cart" {
  source            = "./infra"
  name              = "%s"
  lambda_zip        = "%s"
  image_tag         = "v1"
  database_ca       = file("ca.pem")
  archive_url       = "https://archive.example.org/"
  archive_cidrs     = ["192.0.2.0/24"]
  api_allowed_cidrs = ["198.51.100.0/24"]
  cors_origins      = ["https://data.example.org"]
  auth              = "none"
  auth_none_i_know  = true
  alarm_emails      = ["cart-operators@example.org"]
  rehearsal         = true
  protect           = { database = false, backups = false, bundles = false }
}

output "cart" {
  value = module.cart
}
"""
#: Changes that a second plan shows on moto only, because moto does not return these attributes as they were set.
DRIFT = {
    "aws_api_gateway_rest_api": {"binary_media_types"},
    "aws_db_instance": {"engine_lifecycle_support"},
    "aws_db_parameter_group": {"parameter"},
    "aws_sqs_queue": {"redrive_policy"},  # moto formats the JSON with other whitespace
    "aws_vpc_security_group_egress_rule": {"description"},
    "aws_vpc_security_group_ingress_rule": {"description"},
}
REPLACED = {"aws_ecs_service"}  # moto loses its capacity providers, and adding them replaces the service


@dataclass
class Deployed:
    run: Terraform
    outputs: dict[str, Any]
    endpoint: str

    def client(self, service: str) -> Any:
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        return session.client(service, endpoint_url=self.endpoint)

    def function(self, name: str) -> dict[str, str]:
        """A deployed function's environment."""
        answer = self.client("lambda").get_function_configuration(FunctionName=f"{NAME}-{name}")
        return dict(answer["Environment"]["Variables"])

    def task(self, name: str) -> tuple[list[str], dict[str, str]]:
        """A deployed task's command and environment."""
        answer = self.client("ecs").describe_task_definition(taskDefinition=f"{NAME}-{name}")
        (container,) = answer["taskDefinition"]["containerDefinitions"]
        return container.get("command", []), {item["name"]: item["value"] for item in container["environment"]}


@pytest.fixture(scope="module")
def deployed(
    folder: Path, zipped: Path, authority: Authority, endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Deployed:
    root = tmp_path_factory.mktemp("root")
    (root / "infra").symlink_to(folder)
    (root / "ca.pem").write_text(authority.pem)
    (root / "main.tf").write_text(ROOT_MODULE % (NAME, zipped))
    run = Terraform(root, endpoint)
    run.init()
    run("validate")
    run("apply", "-auto-approve", "-parallelism=40", timeout=900)
    return Deployed(run, json.loads(run("output", "-json"))["cart"]["value"], endpoint)


@pytest.fixture(scope="module")
def database(
    deployed: Deployed, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Run MariaDB in place of RDS: it requires TLS and has the login of the deployed secret. Yields host and port."""
    secret = deployed.client("secretsmanager").get_secret_value(SecretId=deployed.outputs["database_secret_arn"])
    login = json.loads(secret["SecretString"])
    options = authority.issue(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    with mariadb.server(*options, "--require-secure-transport=ON") as variables:
        if variables is None:
            pytest.skip("mariadbd is not installed")
        user = f"'{login['username']}'@'%'"
        for statement in (
            "CREATE DATABASE pacifica_cartd",
            f"CREATE USER {user} IDENTIFIED BY '{login['password']}'",
            f"GRANT ALL ON *.* TO {user} WITH GRANT OPTION",
        ):
            mariadb.run(variables, statement)
        yield {name: variables[name] for name in ("MYSQL_HOST", "MYSQL_PORT")}


def test_no_deployed_policy_has_a_broad_wildcard(deployed: Deployed) -> None:
    state = json.loads(deployed.run("show", "-json"))
    known = list(policies.statements(list(policies.resources(state["values"]["root_module"]))))
    assert len(known) > 30
    assert [(where, wide) for where, statement in known if (wide := policies.too_wide(statement))] == []


@pytest.mark.parametrize("role", ["api", "sweep", "workers", "migrate"])
def test_a_role_of_the_code_works_only_from_the_vpc(deployed: Deployed, role: str) -> None:
    name: Any = {"RoleName": f"{NAME}-{role}", "PolicyName": "from-here-only"}
    document: Any = deployed.client("iam").get_role_policy(**name)["PolicyDocument"]
    (statement,) = document["Statement"]
    (vpc,) = deployed.client("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [NAME]}])["Vpcs"]
    assert (statement["Effect"], statement["Resource"]) == ("Deny", "*")
    assert statement["Condition"] == {"StringNotEquals": {"aws:SourceVpc": vpc["VpcId"]}}
    used = {action.partition(":")[0] for action in ACTIONS.values() if action}
    assert {action.removesuffix(":*") for action in statement["Action"]} == used


def test_the_queue_and_the_bucket_match_the_settings(deployed: Deployed) -> None:
    request: Any = {"QueueUrl": deployed.outputs["queue_url"], "AttributeNames": ["All"]}
    attributes = deployed.client("sqs").get_queue_attributes(**request)["Attributes"]
    assert attributes["VisibilityTimeout"] == str(Settings().visibility)
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in (50, "50")
    rules = deployed.client("s3").get_bucket_lifecycle_configuration(Bucket=deployed.outputs["bucket"])["Rules"]
    days = {rule["ID"]: rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") for rule in rules}
    assert days["unfinished-uploads"] * 86400 > Settings().cart_deadline


@pytest.fixture
def plain_bucket(deployed: Deployed) -> Iterator[None]:
    """Allow access without TLS, which moto does not support, by removing the bucket policy for the test."""
    s3, bucket = deployed.client("s3"), deployed.outputs["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    with pytest.raises(ClientError, match="403"):
        s3.put_object(Bucket=bucket, Key="carts/0/0.tar", Body=b"in the clear")
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.mark.usefixtures("plain_bucket")
def test_the_deployed_api_and_worker_make_a_cart(
    deployed: Deployed, database: dict[str, str], zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path / "task")
    local = {**database, **KEYS, "AWS_ENDPOINT_URL": deployed.endpoint, "AWS_ENDPOINT_URL_S3": deployed.endpoint}
    of_lambda = {**local, "MYSQL_CA": str(tmp_path / "task" / package.CA_NAME), "AWS_LAMBDA_FUNCTION_NAME": "f"}
    api, gateway = {**deployed.function("api"), **of_lambda}, OverLambda(binary=True)
    migrate, environ = deployed.task("migrate")
    for name, value in {**environ, **local}.items():
        monkeypatch.setenv(name, value)
    assert migrate[0] == "pacifica-cartd-cmd"
    assert command.main(migrate[1:]) == 0

    body = json.dumps({"fileids": [{"id": "foo.txt", "path": "1/foo.txt"}]}).encode()
    answers, _ = serve(tmp_path / "task", api, ("app", gateway.event("POST", "/cart", body, {})))
    assert answers[0]["statusCode"] == 201, answers

    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/foo.txt").write_bytes(b"from the archive")
    with running_simulator(tmp_path / "archive") as simulator:
        volume = {"VOLUME_PATH": str(tmp_path / "volume"), "ARCHIVE_INTERFACE_URL": simulator.url}
        run_worker_until_the_cart_ends({**deployed.task("workers")[1], **local, **volume})

    answers, _ = serve(tmp_path / "task", api, ("app", gateway.event("GET", "/cart", b"", {})))
    assert answers[0]["statusCode"] == 302, answers
    tar = requests.get(answers[0]["headers"]["Location"], timeout=30).content
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        assert opened.extractfile("cart/1/foo.txt").read() == b"from the archive"  # type: ignore[union-attr]

    handler, environ = scheduled_function(deployed)
    answers, _ = serve(tmp_path / "task", {**environ, **of_lambda}, (handler, SCHEDULED))
    assert answers == [{"sent_again": 0}]


def run_worker_until_the_cart_ends(environ: dict[str, str]) -> None:
    system = build(load(environ, worker=True))
    worker = assemble(system)
    threading.Thread(target=worker.consumer.run, daemon=True).start()
    threading.Event().wait(0.1)
    for _ in range(300):
        if system.service.find(ANYONE, "cart").state in ("ready", "error"):
            break
        threading.Event().wait(0.1)
    worker.consumer.stop()
    worker.consumer.drain(5)


def scheduled_function(deployed: Deployed) -> tuple[str, dict[str, str]]:
    """Handler and environment of the function that the sweep's schedule invokes."""
    events: Any = deployed.client("events")
    (target,) = events.list_targets_by_rule(Rule=deployed.outputs["sweep_rule"])["Targets"]
    function = deployed.client("lambda").get_function_configuration(FunctionName=target["Arn"])
    return function["Handler"].removeprefix("app."), dict(function["Environment"]["Variables"])


def test_a_second_plan_shows_no_change_except_moto_drift(deployed: Deployed) -> None:
    changes = [
        change
        for change in deployed.run.plan()["resource_changes"]
        if change["change"]["actions"] not in (["no-op"], ["read"]) and change["type"] not in REPLACED
    ]
    changed = {change["address"]: different(change["change"]) for change in changes}
    documented = {change["address"]: DRIFT.get(change["type"], set()) for change in changes}
    assert {where: names for where, names in changed.items() if not names <= documented[where]} == {}
    assert {change["type"] for change in changes} <= DRIFT.keys()


def different(change: dict[str, Any]) -> set[str]:
    """The attributes that differ before and after a change."""
    before, after = change["before"] or {}, change["after"] or {}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_destroying_leaves_nothing(deployed: Deployed) -> None:
    deployed.run("destroy", "-auto-approve", "-parallelism=40", timeout=900)
    assert deployed.run("state", "list").strip() == ""
    assert deployed.client("sqs").list_queues().get("QueueUrls", []) == []
    assert deployed.client("s3").list_buckets()["Buckets"] == []
    assert deployed.client("lambda").list_functions()["Functions"] == []
    assert deployed.client("secretsmanager").list_secrets()["SecretList"] == []
