"""Create the bundle store's bucket and the queues if they are missing: `python -m infra.local.provision store queue`.

It runs in a separate process with the product's environment, so it uses the same endpoints as the product. moto loses
everything when it exits, so this runs after each of its starts, or keeps running and repeats (`--every SECONDS`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config.settings import Settings, load
from chalicelib.errors import SettingsError

TIMEOUT = 30.0
#: Receives after which a message goes to the dead-letter queue. Workers count attempts themselves and give up long
#: before; this is for a message that no worker can read.
MAX_RECEIVES = 50
PROBE_KEY = ".probe"
AWS_ERRORS = (BotoCoreError, ClientError)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="provision", description="Create the bucket and the queues.")
    parser.add_argument("what", nargs="+", choices=("store", "queue"))
    parser.add_argument("--every", type=float, metavar="SECONDS", help="keep running and recreate what is missing")
    options = parser.parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(error.message)
    create = {"store": lambda: create_bucket(settings), "queue": lambda: create_queues(settings)}
    selected = {name: create[name] for name in create if name in options.what}
    if options.every:
        keep_created(selected, options.every)
    for create_one in selected.values():
        _retry(create_one)


def keep_created(resources: Mapping[str, Callable[[], None]], interval: float) -> NoReturn:
    """Call each function every `interval` seconds until SIGTERM, even if it fails; prints each change of state."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    printed: dict[str, str] = {}
    while True:
        for name, create in resources.items():
            try:
                create()
            except AWS_ERRORS as error:
                state = f"unavailable: {error}"
            else:
                state = "ready"
            if printed.get(name) != state:
                print(f"{name}: {state}", flush=True)
            printed[name] = state
        time.sleep(interval)


def create_bucket(settings: Settings) -> None:
    """Create the bucket and test it with a write, because SeaweedFS responds before it can store."""
    s3 = boto3.client("s3", config=_short_timeouts())
    region = s3.meta.region_name
    location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=settings.bundle_bucket, **location)
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        pass
    s3.put_object(Bucket=settings.bundle_bucket, Key=PROBE_KEY, Body=b"x")
    s3.delete_object(Bucket=settings.bundle_bucket, Key=PROBE_KEY)


def create_queues(settings: Settings) -> None:
    """Create the job and dead-letter queues; the attributes are always set, so that a changed LEASE takes effect."""
    if settings.queue_is_database or "://" in settings.job_queue:
        return  # there is no queue, or it is the URL of an existing one
    sqs = boto3.client("sqs", config=_short_timeouts())
    dead = sqs.create_queue(QueueName=f"{settings.job_queue}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    jobs = sqs.create_queue(QueueName=settings.job_queue)["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    sqs.set_queue_attributes(
        QueueUrl=jobs, Attributes={"VisibilityTimeout": str(settings.visibility), "RedrivePolicy": redrive}
    )


def _short_timeouts() -> Config:
    return Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})


def _retry(create: Callable[[], None]) -> None:
    """Retry until `create` succeeds; exit with its last error after TIMEOUT seconds."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            create()
        except AWS_ERRORS as error:
            if time.monotonic() > deadline:
                sys.exit(str(error))
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
