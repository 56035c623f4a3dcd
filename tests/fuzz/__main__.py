"""Reproducible fuzzing of the API's server, the manifest parser and the archive client.

Of 100 inputs, 10 are raw requests, 70 manifests and 20 archive responses. Half of the manifests are read whole, half
also in blocks and gzipped. Violations are: a status of 500 or above (501 and 505 are allowed: the request is not valid
HTTP); a traceback in a response; an accepted manifest with a path that leaves its cart; a manifest that means something
else in blocks or gzipped; an archive response that takes longer than the timeouts, or raises anything except
ArchiveRefused and ArchiveUnavailable. Last, many clients never finish their requests, and another client must still be
served.
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
from tests.integration.api.server import granian

NAME = "fuzz"
SHOWN = 30


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    rng, tenth = random.Random(options.seed), max(1, options.inputs // 10)
    began = time.monotonic()
    with _environment() as environ, granian(environ) as server:
        found = list(
            chain(
                targets.manifests(rng, tenth * 7 // 2),
                targets.two_ways_in(rng, tenth * 7 // 2),
                targets.archive_answers(rng, tenth * 2),
                targets.requests(rng, server.port, tenth),
                targets.slow_clients(server.port),
            )
        )
    for problem in found[:SHOWN]:
        print(problem)
    print(f"seed {options.seed}: {tenth * 10} inputs in {time.monotonic() - began:.0f} s, {len(found)} violations")
    return int(bool(found))


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """The environment of an API on SQLite and moto, with a bucket and a queue."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "fuzz", "AWS_SECRET_ACCESS_KEY": "fuzz", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=NAME)
    boto3.client("sqs", endpoint_url=f"http://{host}:{port}").create_queue(QueueName=NAME)
    ends = {f"AWS_ENDPOINT_URL_{service}": f"http://{host}:{port}" for service in ("S3", "SQS")}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        cart = {"BUNDLE_BUCKET": NAME, "JOB_QUEUE": NAME, "SQLITE_PATH": f"{folder}/cart.db", "MAX_BODY": "1M"}
        yield {**os.environ, **keys, **ends, **cart}
    moto.stop()


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=shape)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
