"""Fuzzing, by seed: raw bytes at the API's server, the manifest's parser, the archive's client.

Of every hundred inputs ten are requests, seventy manifests and twenty answers of an archive. Nothing may be answered
with 500 and above (but 501 and 505, which say that the request is no HTTP we know), no traceback may go out, no
manifest that is taken may have a path that leaves its cart, and no answer of an archive may raise anything but the two
errors that say so, or take longer than its time-outs. Then clients that never end their requests are many, and another
one has to be served all the same.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import boto3
from moto.server import ThreadedMotoServer

from tests.fuzz import targets
from tests.integration.api.server import gunicorn

NAME = "fuzz"
SHOWN = 30


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    rng, tenth = random.Random(given.seed), max(1, given.inputs // 10)
    began = time.monotonic()
    with _environment() as environ, gunicorn(environ) as server:
        found = list(
            chain(
                targets.manifests(rng, tenth * 7),
                targets.archive_answers(rng, tenth * 2),
                targets.requests(rng, server.port, tenth),
                targets.slow_clients(server.port),
            )
        )
    for problem in found[:SHOWN]:
        print(problem)
    print(f"seed {given.seed}: {tenth * 10} inputs in {time.monotonic() - began:.0f} s, {len(found)} violations")
    return int(bool(found))


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """Of an API on SQLite and moto, with a bucket and a queue."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "fuzz", "AWS_SECRET_ACCESS_KEY": "fuzz", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=NAME)
    boto3.client("sqs", endpoint_url=f"http://{host}:{port}").create_queue(QueueName=NAME)
    ends = {f"AWS_ENDPOINT_URL_{service}": f"http://{host}:{port}" for service in ("S3", "SQS")}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        ours = {"BUNDLE_BUCKET": NAME, "JOB_QUEUE": NAME, "SQLITE_PATH": f"{folder}/cart.db", "MAX_BODY": "1M"}
        yield {**os.environ, **keys, **ends, **ours}
    moto.stop()


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=shape)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
