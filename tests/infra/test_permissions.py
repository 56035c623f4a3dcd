"""Every call of AWS that the code makes is allowed to whoever makes it, and to nobody else's benefit."""

from __future__ import annotations

import re

import pytest

from tests.infra.hcl import ROOT, block, source

#: boto3's name of a call -> the action it needs. None: nobody needs it here, and why stands beside it.
ACTIONS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "assume_role": "sts:AssumeRole",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_message": "sqs:DeleteMessage",
    "delete_object": "s3:DeleteObject",
    "generate_presigned_url": None,  # no call
    "get_object": "s3:GetObject",
    "get_paginator": None,  # what it pages through stands beside it
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "get_queue_url": None,  # the queues are named by their URLs
    "get_secret_value": "secretsmanager:GetSecretValue",
    "head_object": "s3:GetObject",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "list_parts": "s3:ListMultipartUploadParts",
    "put_object": "s3:PutObject",
    "receive_message": "sqs:ReceiveMessage",
    "send_message_batch": "sqs:SendMessage",
    "upload_part": "s3:PutObject",
}
CALLERS = ("bundles", "uploads", "queue", "signing", "credentials")


def calls(module: str) -> set[str]:
    """The calls of boto3 in one of chalicelib's modules."""
    text = (ROOT / "chalicelib" / f"{module}.py").read_text()
    named = re.findall(r'client(?:\("\w+"\))?\.(\w+)\(', text) + re.findall(r'get_paginator\("(\w+)"', text)
    return {name for name in named if name != "client"}


def allowed(file: str, document: str) -> set[str]:
    """What a role's policy lets it do."""
    body = block(source(file), f'data "aws_iam_policy_document" "{document}" {{')
    return set(re.findall(r'"(\w+:\w+)"', "".join(re.findall(r"actions\s+= \[(.*?)\]", body, re.DOTALL))))


def test_the_actions_of_all_calls_are_known() -> None:
    made = set().union(*(calls(module) for module in CALLERS))
    assert made == ACTIONS.keys()


def test_workers_may_do_what_the_store_and_the_queue_do() -> None:
    called = set().union(*(calls(module) for module in ("bundles", "queue"))) - {"get_queue_attributes"}  # the sweep's
    needed = {ACTIONS[name] for name in called} - {None}
    assert needed == allowed("workers.tf", "workers")


@pytest.mark.parametrize(
    ("file", "document", "needed"),
    [
        (
            "lambda.tf",
            "api",  # POST and DELETE; ListBucket, so that what is missing is 404
            {"sqs:SendMessage", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket"}
            | {"sts:AssumeRole", "logs:CreateLogStream", "logs:PutLogEvents"},
        ),
        (
            "schedule.tf",
            "sweep",  # as chalicelib/sweep/sweep.py has it
            {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
            | {"s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload", "logs:CreateLogStream", "logs:PutLogEvents"},
        ),
        ("signing.tf", "signing", {"s3:GetObject", "s3:PutObject"}),
        ("database.tf", "database_secret", {"secretsmanager:GetSecretValue"}),
    ],
)
def test_a_role_may_do_this_and_no_more(file: str, document: str, needed: set[str]) -> None:
    assert allowed(file, document) == needed


def test_the_ways_to_store_and_queue_are_open_for_all_that_is_done_there() -> None:
    made = {action for action in ACTIONS.values() if action}
    assert allowed("endpoints.tf", "s3_endpoint") == {action for action in made if action.startswith("s3:")}
    queue = block(source("endpoints.tf"), "sqs = {")
    assert set(re.findall(r'"(\w+:\w+)"', queue)) == {action for action in made if action.startswith("sqs:")}


def test_queues_are_named_by_their_urls() -> None:
    for line in ("JOB_QUEUE = aws_sqs_queue.jobs.url", "JOB_DEAD_QUEUE = aws_sqs_queue.dead.url"):
        assert line in re.sub(" +", " ", source("settings.tf"))
