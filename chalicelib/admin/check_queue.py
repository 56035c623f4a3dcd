"""Checks of `doctor`: the job queue and its dead-letter queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.admin.checks import Check
from chalicelib.admin.looking import Queues
from chalicelib.admin.wording import numbered

if TYPE_CHECKING:
    from chalicelib.aws.queue_view import QueueView

QUEUE = "Is the queue's service up, is JOB_QUEUE its name, and are AWS_ENDPOINT_URL_SQS and the credentials right?"
DEAD = "Is JOB_DEAD_QUEUE its name (JOB_QUEUE with `-dead`, if it is not set)? The sweep reads it; carts go on without."


def queue_checks(queues: Queues) -> Iterator[Check]:
    yield Check("queue", lambda: _jobs(queues.jobs), QUEUE)
    yield Check("dead letters", lambda: _dead(queues.dead), DEAD)


def _jobs(queue: QueueView) -> str:
    depth = queue.depth()
    queue.try_to_read()
    return f"{depth.visible} messages, {depth.in_flight} in flight"


def _dead(queue: QueueView) -> str:
    depth = queue.depth()
    queue.try_to_read()
    letters = depth.visible + depth.in_flight
    return numbered(letters, "dead letter") + (": `queue` shows of which jobs" if letters else "")
