"""Each role may make exactly the AWS calls that its code makes."""

from __future__ import annotations

import re

import pytest

from tests.infra.hcl import ROOT, block, source

#: boto3's name of a call -> the IAM action it needs; None if it needs no permission here, with the reason.
ACTIONS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "assume_role": "sts:AssumeRole",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_message": "sqs:DeleteMessage",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "generate_presigned_url": None,  # signs locally
    "get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
    "get_object": "s3:GetObject",
    "get_paginator": None,  # the call it pages through is listed itself
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "get_queue_url": None,  # in AWS the settings are queue URLs
    "get_secret_value": "secretsmanager:GetSecretValue",
    "head_bucket": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "list_parts": "s3:ListMultipartUploadParts",
    "put_object": "s3:PutObject",
    "put_secret_value": "secretsmanager:PutSecretValue",
    "receive_message": "sqs:ReceiveMessage",
    "send_message_batch": "sqs:SendMessage",
    "upload_part": "s3:PutObject",
}
CALLERS = (
    "admin/check_store",
    "admin/database_users",
    "aws/bucket_listing",
    "aws/bundle_store",
    "aws/manifest_uploads",
    "aws/queue_view",
    "aws/secret_settings",
    "aws/sqs_queue",
    "aws/url_signing",
    "db/credentials",
)


def calls(module: str) -> set[str]:
    """The boto3 calls in a module of chalicelib."""
    text = (ROOT / "chalicelib" / f"{module}.py").read_text()
    names = re.findall(r'(?:client|\bs3)(?:\("\w+"\))?\.(\w+)\(', text) + re.findall(r'get_paginator\("(\w+)"', text)
    return {name for name in names if name != "client"}


def allowed(file: str, document: str) -> set[str]:
    """The actions that a policy document allows."""
    body = block(source(file), f'data "aws_iam_policy_document" "{document}" {{')
    return set(re.findall(r'"(\w+:\w+)"', "".join(re.findall(r"actions\s+= \[(.*?)\]", body, re.DOTALL))))


def test_no_module_outside_the_callers_calls_aws() -> None:
    modules = {
        str(path.relative_to(ROOT / "chalicelib").with_suffix("")) for path in (ROOT / "chalicelib").rglob("*.py")
    }
    assert {module for module in modules if calls(module)} == set(CALLERS)


def test_the_action_of_every_call_is_known() -> None:
    called = set().union(*(calls(module) for module in CALLERS))
    assert called == ACTIONS.keys()


def test_workers_may_make_the_calls_of_the_bundle_store_and_the_queue() -> None:
    called = set().union(*(calls(module) for module in ("aws/bundle_store", "aws/sqs_queue")))
    called -= {"get_queue_attributes"}  # only the sweep calls it
    needed = {ACTIONS[name] for name in called} - {None}
    assert needed == allowed("workers.tf", "workers")


@pytest.mark.parametrize(
    ("file", "document", "needed"),
    [
        (
            "lambda.tf",
            "api",  # POST and DELETE; with ListBucket, a missing object answers 404
            {
                "sqs:SendMessage",
                "sqs:GetQueueAttributes",
                "s3:GetObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListBucket",
            }
            | {"sts:AssumeRole", "logs:CreateLogStream", "logs:PutLogEvents"}
            | {"secretsmanager:GetSecretValue"},  # the policy's token, if there is one
        ),
        (
            "schedule.tf",
            "sweep",  # see chalicelib/sweep/sweep.py
            {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
            | {"s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload", "s3:DeleteObject"}
            | {"logs:CreateLogStream", "logs:PutLogEvents"},
        ),
        ("database_users.tf", "database_secret", {"secretsmanager:GetSecretValue"}),
        ("database_users.tf", "migrate", {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}),
    ],
)
def test_a_role_may_make_exactly_these_calls(file: str, document: str, needed: set[str]) -> None:
    assert allowed(file, document) == needed


def test_the_signing_role_may_do_only_what_urls_need() -> None:
    body = block(source("signing.tf"), 'data "aws_iam_policy_document" "signing" {')
    assert set(re.findall(r'"(s3:\w+)"', body)) == {"s3:GetObject", "s3:PutObject"}


def test_the_migration_task_alone_logs_in_as_the_tables_owner() -> None:
    settings = re.sub(" +", " ", source("settings.tf"))
    assert settings.count("local.database_secret_arn") == 1
    assert (
        "migrate_settings = merge(local.worker_settings, { MYSQL_SECRET_ARN = local.database_secret_arn })" in settings
    )
    assert "local.database_secret_arn" not in block(
        source("database_users.tf"), 'data "aws_iam_policy_document" "database_secret" {'
    )


def test_the_endpoints_of_s3_and_sqs_allow_every_action_used() -> None:
    used = {action for action in ACTIONS.values() if action}
    assert allowed("endpoints.tf", "s3_endpoint") == {action for action in used if action.startswith("s3:")}
    queue = block(source("endpoints.tf"), "sqs = {")
    assert set(re.findall(r'"(\w+:\w+)"', queue)) == {action for action in used if action.startswith("sqs:")}


def test_the_settings_contain_queue_urls() -> None:
    for line in ("JOB_QUEUE = aws_sqs_queue.jobs.url", "JOB_DEAD_QUEUE = aws_sqs_queue.dead.url"):
        assert line in re.sub(" +", " ", source("settings.tf"))
