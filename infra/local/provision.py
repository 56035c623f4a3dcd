"""Make the bundle store's bucket and the queues where they are missing: `python -m infra.local.provision store queue`.

Runs as a process of its own with the product's environment, so it talks to what the product will talk to. moto forgets
everything when it ends: this runs again after each of its starts, or stays (`--every SECONDS`) and makes anew what is
gone.
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

PATIENCE = 30.0
#: Deliveries after which a message goes to the dead letters. The workers count attempts themselves and give up long
#: before; this is for the message no worker can read.
MAX_RECEIVES = 50
PROBE_KEY = ".probe"
FAULTS = (BotoCoreError, ClientError)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="provision", description="Make the bucket and the queues.")
    parser.add_argument("what", nargs="+", choices=("store", "queue"))
    parser.add_argument("--every", type=float, metavar="SECONDS", help="stay, and make anew what is gone")
    given = parser.parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(error.message)
    makers = {"store": lambda: make_bucket(settings), "queue": lambda: make_queues(settings)}
    wanted = {name: maker for name, maker in makers.items() if name in given.what}
    if given.every:
        keep(wanted, given.every)
    for maker in wanted.values():
        _patiently(maker)


def keep(makers: Mapping[str, Callable[[], None]], every: float) -> NoReturn:
    """Make each until SIGTERM, whatever fails meanwhile; says when one begins or ceases to be there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told: dict[str, str] = {}
    while True:
        for name, make in makers.items():
            try:
                make()
            except FAULTS as error:
                state = f"not there: {error}"
            else:
                state = "there"
            if told.get(name) != state:
                print(f"{name}: {state}", flush=True)
            told[name] = state
        time.sleep(every)


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


def _patiently(make: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            make()
        except FAULTS as error:
            if time.monotonic() > deadline:
                sys.exit(str(error))
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
