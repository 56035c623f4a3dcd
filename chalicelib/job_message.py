"""The queue message that says that there is work. Pure.

It names the job it was sent for, which a worker of the previous release and the sweep look up. A worker takes the job
whose turn it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
    """`token`: the job's token when the message was sent. SQS shares delivery fairly between the values of `group`.

    `request`: the id of the request that the work is done for, for people who look at a queue; workers ignore it.
    """

    job_id: int
    token: int
    group: str
    request: str = field(default="", compare=False)


def encode(message: JobMessage) -> str:
    request = {"request": message.request} if message.request else {}
    return json.dumps({"v": VERSION, "job": message.job_id, "token": message.token, **request})


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
