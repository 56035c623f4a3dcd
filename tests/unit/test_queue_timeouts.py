"""A worker's timeouts of the queue: longer than a long poll, and short enough to name a queue that hangs."""

from __future__ import annotations

from chalicelib.wiring import WORKER_TIMEOUTS
from chalicelib.wiring_queue import QUEUE_TRIES
from workers.runtime.policy import ConsumerPolicy


def test_a_queue_that_hangs_is_in_the_log_within_a_minute() -> None:
    poll = ConsumerPolicy(slots=1, visibility=31).poll
    assert poll < WORKER_TIMEOUTS.queue
    assert QUEUE_TRIES * WORKER_TIMEOUTS.queue < 60
