"""The consumer: when it receives, when it pauses, and what it takes at a time. test_job_runner.py has the drain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from chalicelib.errors import DatabaseUnavailable, QueueUnavailable
from chalicelib.job_queue import JobQueue, Message
from tests.doubles.runner_site import POLICY, VISIBILITY, RunnerSite
from tests.doubles.worker_parts import Stopping
from tests.doubles.world import LEASE
from workers.runtime.consumer import Consumer
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.message_source import MessageSource

PAUSE, POLL = 2.0, 20
Step = Callable[[], list[Message]]


class Receiving:
    """A consumer on a scripted queue, and a clock that its pauses set forward. `log`: (what it did, when)."""

    def __init__(self, *steps: Step) -> None:
        """`steps`: what each receive does; after the last one the worker stops."""
        self.site = RunnerSite()
        self.steps = list(steps)
        self.log: list[tuple[str, float]] = []
        self.asked: list[tuple[int, int, int]] = []
        self.pings: list[Exception] = []
        self.ended = threading.Event()
        site, self.began = self.site, self.site.database.now
        site.runner.stopping = Stopping(site.database)
        queue, policy = cast(JobQueue, self), replace(POLICY, receive_pause=PAUSE, poll=POLL)
        heartbeat = Heartbeat(site.world.jobs, queue, site.runner.held, lease=LEASE, visibility=VISIBILITY)
        source = MessageSource(queue, site.runner, policy, site.database.clock)
        self.consumer = Consumer(source, site.runner, heartbeat, self._ping, policy)

    def run(self) -> None:
        self.consumer.run()
        assert self.ended.wait(5)
        self.consumer.drain(0)

    def receive(self, most: int, wait: int, visibility: int) -> list[Message]:
        self._note("receive")
        self.asked.append((most, wait, visibility))
        step = self.steps.pop(0)
        if not self.steps:
            self.site.runner.stopping.set()
            self.consumer.stop()
            self.ended.set()
        return step()

    def _ping(self) -> float:
        self._note("ping")
        if self.pings:
            raise self.pings.pop(0)
        return self.site.database.now

    def _note(self, what: str) -> None:
        self.log.append((what, self.site.database.now - self.began))


def nothing() -> list[Message]:
    return []


def failing(error: Exception) -> Step:
    def step() -> list[Message]:
        raise error

    return step


def test_no_message_is_received_while_the_database_is_down() -> None:
    receiving = Receiving(nothing)
    receiving.pings = [DatabaseUnavailable(), DatabaseUnavailable()]
    receiving.site.runner.database_down.set()
    receiving.run()
    assert receiving.log == [("ping", 0), ("ping", PAUSE), ("ping", 2 * PAUSE), ("receive", 2 * PAUSE)]
    assert not receiving.site.runner.database_down.is_set()


def test_the_database_is_not_asked_while_it_is_up() -> None:
    receiving = Receiving(nothing, nothing)
    receiving.run()
    assert [what for what, _ in receiving.log] == ["receive", "receive"]


@pytest.mark.parametrize("error", [QueueUnavailable("down"), ValueError("odd")])
def test_a_receive_that_raises_is_followed_by_a_pause_and_the_next_receive(error: Exception) -> None:
    receiving = Receiving(failing(error), failing(error), nothing)
    receiving.run()
    assert receiving.log == [("receive", 0), ("receive", PAUSE), ("receive", 2 * PAUSE)]


def test_a_long_poll_without_a_message_is_followed_by_the_next_at_once() -> None:
    def poll() -> list[Message]:
        receiving.site.database.advance(POLL)
        return []

    receiving = Receiving(poll, poll, nothing)
    receiving.run()
    assert receiving.log == [("receive", 0), ("receive", POLL), ("receive", 2 * POLL)]


def test_one_message_is_received_at_a_time() -> None:
    receiving = Receiving(nothing)
    receiving.run()
    assert receiving.asked == [(1, POLL, VISIBILITY)]
