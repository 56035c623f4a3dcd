"""Checks of `doctor`: the job queue and its dead-letter queue, or where workers are woken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.admin.checks import Check, Problem
from chalicelib.admin.looking import Queues
from chalicelib.admin.wording import numbered
from chalicelib.waking.wake_directory import WakeDirectory

if TYPE_CHECKING:
    from chalicelib.aws.queue_view import QueueView

QUEUE = "Is the queue's service up, is JOB_QUEUE its name, and are AWS_ENDPOINT_URL_SQS and the credentials right?"
DEAD = "Is JOB_DEAD_QUEUE its name (JOB_QUEUE with `-dead`, if it is not set)? The sweep reads it; carts go on without."


WAKING = "May this user write to JOB_WAKE_DIR? All processes of a machine need the same one. Jobs begin later without."


def queue_checks(queues: Queues) -> Iterator[Check]:
    yield Check("queue", lambda: _jobs(queues.jobs), QUEUE)
    yield Check("dead letters", lambda: _dead(queues.dead), DEAD)


def wake_checks(directory: WakeDirectory) -> Iterator[Check]:
    """Where the jobs table is the queue, which the checks of the database look at."""
    yield Check("queue", lambda: _sleeping(directory), WAKING)


def _sleeping(directory: WakeDirectory) -> str:
    try:
        sleeping = directory.sleeping()
    except FileNotFoundError:
        return f"the jobs table; no worker of this machine was there to be woken in {directory.path}"
    except OSError as error:
        raise Problem(f"workers cannot be woken in {directory.path}: {error.strerror}", WAKING) from error
    return f"the jobs table; {numbered(sleeping, 'worker')} of this machine can be woken in {directory.path}"


def _jobs(queue: QueueView) -> str:
    depth = queue.depth()
    queue.try_to_read()
    return f"{depth.visible} messages, {depth.in_flight} in flight"


def _dead(queue: QueueView) -> str:
    depth = queue.depth()
    queue.try_to_read()
    letters = depth.visible + depth.in_flight
    return numbered(letters, "dead letter") + (": `queue` shows of which jobs" if letters else "")
