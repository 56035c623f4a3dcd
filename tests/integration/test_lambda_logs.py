"""What the functions print under Lambda's own runtime, whose log handler is there before any code of ours."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import boto3
import pytest

from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.db.models import Carts
from chalicelib.wiring import build
from tests.callers import ANYONE
from tests.infra import filters
from tests.integration import lambda_runtime
from tests.integration.api.transports import OverLambda
from tests.integration.conftest import KEYS
from tests.integration.test_lambda import MANIFEST, SCHEDULED

TEXT_INFO, JSON_INFO = 0xA55A000F, 0xA55A000E  # the types of frames that the platform knows


@pytest.fixture
def variables(aws: str, tmp_path: Path) -> dict[str, str]:
    name = f"logs-{uuid.uuid4().hex[:12]}"
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    session.client("s3", endpoint_url=aws).create_bucket(Bucket=name)
    for queue in (name, f"{name}-dead"):
        session.client("sqs", endpoint_url=aws).create_queue(QueueName=queue)
    stores = {"BUNDLE_BUCKET": name, "JOB_QUEUE": name, "SQLITE_PATH": str(tmp_path / "cart.db")}
    endpoints = {"AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws}
    return {**KEYS, **stores, **endpoints, "LOG_FORMAT": "json", "AUTH_NONE_I_KNOW": "1"}


def database_of(variables: dict[str, str]) -> Database:
    database = Database(load(variables))
    schema.sync(database)
    return database


def test_the_api_prints_one_json_object_for_a_request_with_the_id_of_api_gateway(variables: dict[str, str]) -> None:
    database_of(variables).close()
    event = OverLambda().event("POST", "/run-7", MANIFEST, {})
    ran = lambda_runtime.run("app.app", [event], {**variables, "AWS_LAMBDA_FUNCTION_NAME": "cart-api"})
    (answer,) = ran.answers
    assert answer["statusCode"] == 201
    lines = {line["logger"]: line for line in ran.objects}
    assert len(ran.objects) == len(ran.lines), ran.lines
    request, posted = lines["chalicelib.api.request_log"], lines["chalicelib.stores.cart_log"]
    for line in (request, posted):
        assert line["level"] == "INFO"
        assert line["uid"] == "run-7"
        assert line["request"] == answer["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]
    assert (request["resource"], request["status"], request["aws_request_id"]) == ("/{uid}", 201, "invocation-0")
    assert (posted["state"], posted["files"]) == ("posted", 1)


@pytest.mark.parametrize(("platform", "log_format", "kind"), [("Text", "json", TEXT_INFO), ("JSON", "text", JSON_INFO)])
def test_each_line_is_a_frame_of_the_kind_that_the_platform_expects(
    variables: dict[str, str], platform: str, log_format: str, kind: int
) -> None:
    database_of(variables).close()
    more = {"AWS_LAMBDA_LOG_FORMAT": platform, "AWS_LAMBDA_LOG_LEVEL": "INFO", "LOG_FORMAT": log_format}
    event = OverLambda().event("GET", "/nobody-has-this", b"", {})
    ran = lambda_runtime.run("app.app", [event], {**variables, **more}, framed=True)
    told = [(kind, json.loads(text)) for kind, text in ran.frames if "answered 404" in text]
    assert [(kind, line["logger"]) for kind, line in told] == [(kind, "chalicelib.api.request_log")]


def test_the_sweep_prints_what_the_alarms_look_for(variables: dict[str, str]) -> None:
    database = database_of(variables)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        system = build(load(variables))
        system.service.create(ANYONE, "late", MANIFEST)
        boto3.client("sqs").send_message(QueueUrl=queue_url(variables, "-dead"), MessageBody="a foreign message")
    with database.session() as db:
        Carts.update(created_at=1.0, used_at=1.0).execute(db)
    ran = lambda_runtime.run("app.sweep", [SCHEDULED], variables)
    for name in ("carts-given-up", "dead-letters"):
        assert len([line for line in ran.lines if filters.matches(name, line)]) == 1, ran.lines
    for name in ("carts-failed", "jobs-failed"):
        assert not [line for line in ran.lines if filters.matches(name, line)]
    database.close()


def queue_url(variables: dict[str, str], suffix: str) -> str:
    url: str = boto3.client("sqs").get_queue_url(QueueName=variables["JOB_QUEUE"] + suffix)["QueueUrl"]
    return url
