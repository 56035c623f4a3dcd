"""Messages that come twice, late or never; workers that stop; jobs that fail every time."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.db.models import Jobs
from chalicelib.job_message import Claim, JobMessage
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_nothing_remains,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
    rows,
    send_idle_jobs,
    state,
    temporaries,
    until,
)
from workers.files.volume import Volume

FILES = generated(6, 3000)


def purge(site: Site) -> None:
    """Delete every message in the queue."""
    sqs = boto3.client("sqs")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=site.variables["JOB_QUEUE"])["QueueUrl"])


def make_due(site: Site) -> None:
    """Make every idle job old enough that the sweep takes its message for lost."""
    with site.system.database.session() as db:
        Jobs.update(next_send_at=0).where(Jobs.lease_until == 0).execute(db)


def end_waits(site: Site) -> None:
    """Make every deferred job due."""
    with site.system.database.session() as db:
        Jobs.update(due_at=0, next_send_at=0).where(Jobs.lease_until == 0).execute(db)


def test_the_sweep_sends_a_lost_message_again(site: Site) -> None:
    site.system.service.create(ANYONE, "lost", manifest(FILES))
    site.system.sweep.run()
    purge(site)
    assert site.system.sweep.run() == 0
    make_due(site)
    assert site.system.sweep.run() == len(rows(site, Jobs.id))
    assert site.system.sweep.run() == 0
    site.start_worker()
    assert_ready(site, "lost", FILES)


def test_a_worker_receives_one_message_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it filled all its slots at once, jobs sent together, such as assistants, would not reach idle workers."""
    counts, receive = list[int](), SqsQueue.receive

    def counted(*args: Any) -> Any:
        messages = receive(*args)
        counts.append(len(messages))
        return messages

    monkeypatch.setattr(SqsQueue, "receive", counted)
    for number in range(6):
        site.system.service.create(ANYONE, f"together-{number}", manifest(FILES))
    site.start_worker()
    for number in range(6):
        assert_ready(site, f"together-{number}", FILES)
    assert max(counts) == 1


def test_a_job_with_many_messages_at_once_runs_once(site: Site) -> None:
    site.system.service.create(ANYONE, "many", manifest(FILES))
    for _ in range(10):
        send_idle_jobs(site)
    site.start_worker()
    site.start_worker()
    assert_ready(site, "many", FILES)
    assert gets(site) == len(FILES)
    assert_volume_consistent(site)


def test_late_and_foreign_messages_are_deleted(site: Site) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=site.variables["JOB_QUEUE"])["QueueUrl"]
    for body in ("{}", "[]", "null", '{"v": 1, "job": "x"}', '{"v": 1, "job": -1}', "[" * 100_000):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    site.start_worker()
    site.system.service.create(ANYONE, "one", manifest(FILES))
    assert_ready(site, "one", FILES)
    site.system.queue.send([JobMessage(number, 0, "cart-1") for number in range(1, 9)])
    site.system.service.create(ANYONE, "two", manifest(FILES))
    assert_ready(site, "two", FILES)
    until(lambda: message_counts(site) == (0, 0), 10, "messages are left")


def test_extra_messages_do_not_make_a_waiting_job_run_more_often(
    site_of: Callable[..., Site],
) -> None:
    site = site_of({"retries": {"while_down": 1.0, "first_retry": 0.05}})
    site.simulator.control(down=True)
    site.system.service.create(ANYONE, "waits", manifest(FILES))
    site.start_worker()
    for _ in range(10):
        runs = runs_of_the_job(site)
        send_idle_jobs(site)
        until(lambda before=runs: runs_of_the_job(site) > before and not a_job_is_leased(site))  # type: ignore[misc]
    runs = runs_of_the_job(site)
    time.sleep(1.5)
    assert runs_of_the_job(site) - runs <= 3


def test_a_stopped_worker_requeues_its_job_and_another_takes_it_at_once(site_of: Callable[..., Site]) -> None:
    site = site_of()  # the lease is 30 s
    site.simulator.control(stall=1, stall_seconds=2, latency_ms=100)
    stopped = site.start_worker()
    site.system.service.create(ANYONE, "requeued", manifest(FILES))
    until(lambda: gets(site) > 0, 15)
    stopped.consumer.stop()
    began = time.monotonic()
    stopped.consumer.drain(1)
    assert time.monotonic() - began < 2
    stopped.archive.close()
    site.workers.remove(stopped)
    assert [lease_until for (lease_until,) in rows(site, Jobs.lease_until)] == [0]
    assert [attempts for (attempts,) in rows(site, Jobs.attempts)] == [0]
    site.simulator.control(stall=0, latency_ms=0)
    site.start_worker()
    assert_ready(site, "requeued", FILES, 10)


def test_a_job_that_is_requeued_many_times_does_not_fail(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.simulator.control(stall=1, stall_seconds=0.6)
    site.system.service.create(ANYONE, "requeued", manifest(FILES))
    for _ in range(7):
        worker = site.start_worker()
        until(lambda: [True for (lease,) in rows(site, Jobs.lease_until) if lease > 0])
        site.stop()
        assert not worker.consumer.is_busy
        send_idle_jobs(site)
    site.simulator.control(stall=0)
    site.start_worker()
    assert_ready(site, "requeued", FILES)


def test_five_attempts_without_progress_end_a_cart_while_others_continue(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of({"workers_stopped_after": 30.5})
    poisoned, *_ = FILES
    keep = Volume.keep

    def refusing(volume: Volume, archive_id: str, claim: Claim, mtime_ns: int) -> None:
        if archive_id == poisoned:
            raise IsADirectoryError(errno.EISDIR, "nobody expected this")
        keep(volume, archive_id, claim, mtime_ns)

    monkeypatch.setattr(Volume, "keep", refusing)
    site.start_worker()
    site.system.service.create(ANYONE, "poison", manifest(FILES))
    others = generated(3, 1000, "other")
    site.system.service.create(ANYONE, "other", manifest(others))
    assert_ready(site, "other", others)
    for attempt in range(1, 8):
        until(lambda count=attempt: gets(site, poisoned) >= count or state(site, "poison") == "error", 5)  # type: ignore[misc]
        until(lambda: not a_job_is_leased(site), 5)
        end_waits(site)
        send_idle_jobs(site)
        if state(site, "poison") == "error":
            break
    assert state(site, "poison") == "error"
    assert gets(site, poisoned) == 6  # the first attempt makes the layout, which is progress; the other five make none
    until(lambda: temporaries(site) == [], 5, "a temporary file is left")


def test_a_job_that_kills_its_worker_every_time_ends_its_cart(
    site_of: Callable[..., Site],
) -> None:
    site = site_of({"workers_stopped_after": 0.5}, LEASE="2")
    site.system.service.create(ANYONE, "deadly", manifest(FILES))
    job_id = rows(site, Jobs.id)[0][0]
    for token in range(5):
        assert site.system.jobs.claim(job_id, token) is not None
        with site.system.database.session() as db:
            Jobs.update(lease_until=0, next_send_at=0, due_at=0).execute(db)  # the lease has expired
    site.start_worker()
    cart = site.wait("deadly")
    assert cart.state == "error"
    assert "5 times" in cart.message
    assert_nothing_remains(site)


def test_a_worker_that_lost_its_lease_writes_nothing(site_of: Callable[..., Site]) -> None:
    site = site_of(LEASE="2")
    site.simulator.control(stall=1, stall_seconds=1)
    slow = site.start_worker()
    site.system.service.create(ANYONE, "taken", manifest(FILES))
    until(lambda: gets(site) > 0)
    with site.system.database.session() as db:
        Jobs.update(lease_until=0, due_at=0, next_send_at=0).execute(db)
    job = site.system.jobs.claim(*rows(site, Jobs.id, Jobs.token)[0])
    assert job is not None
    until(lambda: not slow.consumer.is_busy)
    assert state(site, "taken") == "staging"
    assert rows(site, Jobs.token) == [(job.token,)]
    site.system.jobs.requeue(job)
    site.simulator.control(stall=0)
    send_idle_jobs(site)
    assert_ready(site, "taken", FILES)
    assert_volume_consistent(site)


def test_sweeps_finish_a_large_cart_whose_messages_are_all_lost(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = generated(4, 6 * MIB)
    site = site_of(PART_SIZE="5M", WINDOW_SIZE="5M")
    worker = site.start_worker()
    monkeypatch.setattr(worker.system.queue, "send", lambda *_, **__: None)
    site.system.service.create(ANYONE, "sparse", manifest(files))
    done = threading.Event()

    def sweep() -> None:
        while not done.wait(0.3):
            make_due(site)
            site.system.sweep.run()

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    try:
        assert_ready(site, "sparse", files)
    finally:
        done.set()
        sweeping.join()


def runs_of_the_job(site: Site) -> int:
    """How often the only job was claimed."""
    ((token,),) = rows(site, Jobs.token)
    return int(token)


def a_job_is_leased(site: Site) -> bool:
    return any(lease_until > 0 for (lease_until,) in rows(site, Jobs.lease_until))


def message_counts(site: Site) -> tuple[int, int]:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=site.variables["JOB_QUEUE"])["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])
