"""The queue message that points at a job. Pure.

A message holds no work: the job's row does. A worker that receives one looks the row up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

VERSION = 1  # a worker leaves messages of a later version in the queue, for newer workers


class NewerVersion(LookupError):
    """The message has a later version than this code understands."""


class Claim(NamedTuple):
    """One worker's hold on a job: `token` rises with every claim."""

    job_id: int
    token: int


@dataclass(frozen=True, slots=True)
class JobMessage:
    """`token`: the job's token when the message was sent. SQS shares delivery fairly between the values of `group`."""

    job_id: int
    token: int
    group: str


def encode(message: JobMessage) -> str:
    return json.dumps({"v": VERSION, "job": message.job_id, "token": message.token})


def decode(body: str) -> tuple[int, int] | None:
    """The job's id and token; None if this system did not send the message. Raises NewerVersion."""
    try:
        fields = json.loads(body)
        version, job_id, token = int(fields["v"]), int(fields["job"]), int(fields["token"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if version > VERSION:
        raise NewerVersion(f"message of version {version}")
    return job_id, token


def group_of(cart_id: int) -> str:
    return f"cart-{cart_id}"
