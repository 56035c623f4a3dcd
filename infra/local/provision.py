"""Make the bundle store's bucket and the queues where they are missing: `python -m infra.local.provision store queue`.

Runs as a process of its own with the product's environment, so it talks to what the product will talk to. moto forgets
everything when it ends: this runs again after each of its starts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings, load

PATIENCE = 30.0
#: Deliveries after which a message goes to the dead letters. The workers count attempts themselves and give up long
#: before; this is for the message no worker can read.
MAX_RECEIVES = 50
PROBE_KEY = ".probe"


def main(arguments: list[str]) -> None:
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(error.message)
    if "store" in arguments:
        _patiently(lambda: make_bucket(settings))
    if "queue" in arguments:
        _patiently(lambda: make_queues(settings))


def make_bucket(settings: Settings) -> None:
    """The bucket, proved by a write: SeaweedFS answers before it can store."""
    s3 = boto3.client("s3", config=_quick())
    region = s3.meta.region_name
    where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=settings.bundle_bucket, **where)
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        pass
    s3.put_object(Bucket=settings.bundle_bucket, Key=PROBE_KEY, Body=b"x")
    s3.delete_object(Bucket=settings.bundle_bucket, Key=PROBE_KEY)


def make_queues(settings: Settings) -> None:
    """The queue of jobs and its dead letters; attributes are set anew, so that a changed LEASE takes effect."""
    if "://" in settings.job_queue:
        return  # a URL: someone else's queue
    sqs = boto3.client("sqs", config=_quick())
    dead = sqs.create_queue(QueueName=f"{settings.job_queue}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    jobs = sqs.create_queue(QueueName=settings.job_queue)["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    sqs.set_queue_attributes(
        QueueUrl=jobs, Attributes={"VisibilityTimeout": str(settings.visibility), "RedrivePolicy": redrive}
    )


def _quick() -> Config:
    return Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})


def _patiently(make: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            make()
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                sys.exit(str(error))
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
