"""Contracts of the job queues: what all of them do, and what those that keep messages do (the double, and moto)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import boto3
import pytest

from chalicelib import job_message
from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.errors import QueueUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue, Message
from chalicelib.waking.database_queue import DatabaseQueue
from chalicelib.waking.wake_directory import WakeDirectory
from tests.doubles.database import MemoryDatabase
from tests.doubles.job_queue import MemoryJobQueue

MESSAGES = [JobMessage(number, 2, "cart-1") for number in range(12)]


@dataclass
class Queue:
    """`wait` lets seconds pass."""

    jobs: SqsQueue
    wait: Callable[[float], None]


def sqs(request: pytest.FixtureRequest) -> SqsQueue:
    client = boto3.client(
        "sqs",
        endpoint_url=request.getfixturevalue("aws"),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return SqsQueue(client, client.create_queue(QueueName=f"contract-{uuid.uuid4().hex[:12]}")["QueueUrl"])


@pytest.fixture(params=["memory", "moto"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        database = MemoryDatabase()
        return Queue(cast(SqsQueue, MemoryJobQueue(database.clock)), database.advance)
    return Queue(sqs(request), time.sleep)


@pytest.fixture(params=["memory", "moto", "database"])
def any_queue(request: pytest.FixtureRequest, tmp_path: Path) -> JobQueue:
    if request.param == "memory":
        return cast(JobQueue, MemoryJobQueue(time.monotonic))
    return sqs(request) if request.param == "moto" else DatabaseQueue(WakeDirectory(tmp_path / "wake"))


def received(queue: JobQueue, within: float = 20) -> list[Message]:
    """What a worker receives that is ready for it; nothing after `within` seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if messages := queue.receive(1, 1, 60):
            return messages
    return []


def test_who_is_ready_to_receive_is_told_of_a_job_that_is_sent(any_queue: JobQueue) -> None:
    assert any_queue.receive(1, 0, 60) == []
    assert any_queue.send(MESSAGES[:1]) == []
    (message,) = received(any_queue)
    any_queue.extend([message.receipt], 60)
    any_queue.delete(message.receipt)
    assert any_queue.receive(1, 0, 60) == []


def test_a_job_that_is_given_back_is_told_of_again(any_queue: JobQueue) -> None:
    any_queue.receive(1, 0, 60)
    any_queue.send(MESSAGES[:1])
    (message,) = received(any_queue)
    any_queue.receive(1, 0, 60)
    any_queue.extend([message.receipt], 0)
    assert len(received(any_queue)) == 1


def test_a_job_with_a_delay_is_told_of_after_it(any_queue: JobQueue) -> None:
    any_queue.receive(1, 0, 60)
    began = time.monotonic()
    any_queue.send(MESSAGES[:1], 1)
    assert len(received(any_queue)) == 1
    assert time.monotonic() - began >= 0.9


def test_every_message_sent_is_received_once_and_counted(queue: Queue) -> None:
    assert queue.jobs.send(MESSAGES) == []
    assert queue.jobs.count_messages() == 12
    received = receive_all(queue)
    assert sorted(decoded(received)) == [(number, 2) for number in range(12)]
    assert queue.jobs.count_messages() == 12, "a message with a worker is still in the queue"


def test_no_more_is_received_than_asked_for(queue: Queue) -> None:
    queue.jobs.send(MESSAGES)
    assert len(queue.jobs.receive(1, 0, 60)) == 1
    assert len(queue.jobs.receive(99, 0, 60)) == 10, "SQS gives at most ten"


def test_a_received_message_is_hidden_until_its_visibility_ends(queue: Queue) -> None:
    queue.jobs.send(MESSAGES[:1])
    queue.jobs.receive(1, 0, 1)
    assert queue.jobs.receive(1, 0, 1) == []
    queue.wait(1.1)
    assert len(queue.jobs.receive(1, 0, 1)) == 1


def test_a_message_that_is_extended_stays_hidden(queue: Queue) -> None:
    queue.jobs.send(MESSAGES[:1])
    (message,) = queue.jobs.receive(1, 0, 1)
    queue.jobs.extend([message.receipt], 60)
    queue.wait(1.1)
    assert queue.jobs.receive(1, 0, 1) == []


def test_a_message_that_is_extended_by_nothing_is_visible_at_once(queue: Queue) -> None:
    queue.jobs.send(MESSAGES)
    received = receive_all(queue)
    queue.jobs.extend([message.receipt for message in received], 0)
    assert len(receive_all(queue)) == 12
    queue.jobs.extend([], 0)


def test_a_deleted_message_is_gone(queue: Queue) -> None:
    queue.jobs.send(MESSAGES[:2])
    first, second = queue.jobs.receive(2, 0, 60)
    queue.jobs.delete(first.receipt)
    queue.jobs.extend([second.receipt], 0)
    assert decoded(queue.jobs.receive(2, 0, 60)) == decoded([second])
    assert queue.jobs.count_messages() == 1


def test_a_delayed_message_is_not_visible_and_not_counted_before(queue: Queue) -> None:
    queue.jobs.send(MESSAGES[:1], 1)
    assert queue.jobs.receive(1, 0, 60) == []
    assert queue.jobs.count_messages() == 0
    queue.wait(1.1)
    assert len(queue.jobs.receive(1, 0, 60)) == 1


def test_a_delay_beyond_the_longest_is_shortened(queue: Queue) -> None:
    assert queue.jobs.send(MESSAGES[:1], 5000) == []


def receive_all(queue: Queue) -> list[Message]:
    return [*queue.jobs.receive(10, 0, 60), *queue.jobs.receive(10, 0, 60)]


def decoded(messages: list[Message]) -> list[tuple[int, int]]:
    return [reference for message in messages if (reference := job_message.decode(message.body))]


def test_a_queue_that_does_not_exist_is_unavailable(aws: str) -> None:
    client = boto3.client(
        "sqs", endpoint_url=aws, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    missing = SqsQueue(client, "no-such-queue")
    with pytest.raises(QueueUnavailable, match="receive"):
        missing.receive(1, 0, 1)
    with pytest.raises(QueueUnavailable):
        missing.delete("receipt")
    assert (missing.send(MESSAGES), missing.count_messages()) == (MESSAGES, 0)
