"""What the sweep ends and removes: overdue carts, dead letters, orphan uploads; and that concurrent sweeps are safe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from chalicelib import job_message
from chalicelib.aws.bundle_store import key_of
from chalicelib.db.models import Carts, Jobs
from chalicelib.db.volume_models import Volume
from chalicelib.job_message import JobMessage
from chalicelib.stores.job_row import JobKind
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.sweep import SweepIncomplete
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, generated, manifest, rows, state, until, uploads

FILES = generated(3, 2000)


@pytest.fixture
def dead(site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> tuple[Site, str]:
    """A site with a dead-letter queue, and that queue's URL."""
    site = site_of()
    url = boto3.client("sqs").create_queue(QueueName=f"{site.variables['JOB_QUEUE']}-dead")["QueueUrl"]
    return site, url


def send_dead_letter(url: str, body: str) -> None:
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody=body)


def letters(url: str) -> int:
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    return sum(int(found[name]) for name in counts)


def message(site: Site, uid: str) -> str:
    return site.system.service.find(ANYONE, uid).message


def purge(site: Site) -> None:
    """Delete every message in the queue."""
    sqs = boto3.client("sqs")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=site.variables["JOB_QUEUE"])["QueueUrl"])


def change(site: Site, model: Any, **values: Any) -> None:
    with site.system.database.session() as db:
        model.update(**values).execute(db)


def test_an_overdue_cart_fails_with_its_wait_reason(site_of: Callable[..., Site]) -> None:
    site = site_of(CART_DEADLINE="3600")
    site.system.service.create(ANYONE, "late", manifest(FILES))
    change(site, Jobs, wait_reason="the archive is down")
    site.system.sweep.run()
    assert state(site, "late") == "waiting"
    change(site, Carts, used_at=site.system.database.clock() - 3601)
    site.system.service.create(ANYONE, "young", manifest(FILES))
    site.system.sweep.run()
    assert state(site, "late") == "error"
    expected = "It was not ready within CART_DEADLINE, 3600 s. Last: the archive is down"
    assert message(site, "late") == expected
    assert [kind for (kind,) in rows(site, Jobs.kind)] != [JobKind.RECALL]
    site.start_worker()
    assert_ready(site, "young", FILES)


def test_an_overdue_cart_waiting_for_a_dead_archive_says_so(site_of: Callable[..., Site]) -> None:
    site = site_of(CART_DEADLINE="3600", ARCHIVE_READ_TIMEOUT="1")
    site.simulator.control(down=True)
    site.start_worker()
    site.system.service.create(ANYONE, "down", manifest(FILES))
    until(lambda: any("archive is down" in reason for (reason,) in rows(site, Jobs.wait_reason)))
    change(site, Carts, used_at=0)
    site.system.sweep.run()
    assert state(site, "down") == "error"
    assert "the archive is down" in message(site, "down")


def test_a_ready_cart_has_no_deadline(site_of: Callable[..., Site]) -> None:
    site = site_of(CART_DEADLINE="3600")
    site.start_worker()
    site.system.service.create(ANYONE, "ready", manifest(FILES))
    assert_ready(site, "ready", FILES)
    change(site, Carts, used_at=site.system.database.clock() - 7200)
    site.system.sweep.run()
    assert state(site, "ready") == "ready"


def test_a_dead_letter_is_sent_again_and_its_cart_becomes_ready(dead: tuple[Site, str]) -> None:
    """The message may have been received 50 times for other jobs, whose workers died: its own job is not to blame."""
    site, url = dead
    site.system.service.create(ANYONE, "dead", manifest(FILES))
    purge(site)
    send_dead_letter(url, job_message.encode(JobMessage(rows(site, Jobs.id)[0][0], 0, "")))
    site.system.sweep.run()
    assert (state(site, "dead"), letters(url)) == ("waiting", 0)
    site.start_worker()
    assert_ready(site, "dead", FILES)


def test_a_dead_letter_of_a_job_claimed_since_is_not_sent_again(dead: tuple[Site, str]) -> None:
    site, url = dead
    site.system.service.create(ANYONE, "alive", manifest(FILES))
    [(job_id,)] = rows(site, Jobs.id)
    send_dead_letter(url, job_message.encode(JobMessage(job_id, 0, "")))
    assert site.system.jobs.claim(job_id, 0) is not None
    send_dead_letter(url, "a foreign message")
    send_dead_letter(url, job_message.encode(JobMessage(job_id + 1000, 0, "")))
    purge(site)
    site.system.sweep.run()
    assert (state(site, "alive"), letters(url)) == ("waiting", 0)
    assert all(f'"job": {job_id},' not in sent.body for sent in site.system.queue.receive(10, 0, 30))


def test_a_dead_letter_of_a_newer_version_is_left_to_a_newer_sweep(dead: tuple[Site, str]) -> None:
    site, url = dead
    send_dead_letter(url, '{"v": 999, "job": 1, "token": 0}')
    site.system.sweep.run()
    assert letters(url) == 1


def test_only_an_upload_no_cart_has_recorded_is_aborted(site: Site) -> None:
    site.system.service.create(ANYONE, "known", manifest(FILES))
    [(cart_id,)] = rows(site, Carts.id)
    known = site.system.bundles.begin_upload(key_of(cart_id, 1))
    site.system.bundles.begin_upload(key_of(cart_id, 1))
    site.system.bundles.begin_upload(key_of(cart_id + 1000, 1))
    change(site, Carts, upload_id=known)
    until(lambda: _swept(site) == [key_of(cart_id, 1)])
    assert site.system.bundles.parts(key_of(cart_id, 1), known) == []


def test_a_recent_upload_is_not_aborted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)  # moto dates every upload in 2010
    ages = {"old": 80, "young": 50}
    listed = [{"Key": key, "UploadId": key, "Initiated": now - timedelta(seconds=age)} for key, age in ages.items()]

    class Pages:
        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            return [{"Uploads": listed}, {}]

    monkeypatch.setattr(site.system.bundles._client, "get_paginator", lambda _: Pages())
    assert site.system.bundles.uploads_older_than(75) == [("old", "old")]


def test_a_repair_that_fails_does_not_stop_the_others(
    dead: tuple[Site, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site, url = dead
    site.system.service.create(ANYONE, "dead", manifest(FILES))
    send_dead_letter(url, job_message.encode(JobMessage(rows(site, Jobs.id)[0][0], 0, "")))
    change(site, Jobs, has_message=0, next_send_at=0)
    monkeypatch.setattr(OverdueCarts, "run", lambda _: 1 // 0)
    caplog.set_level(logging.INFO)
    with pytest.raises(SweepIncomplete, match=r"overdue carts failed$"):
        site.system.sweep.run()
    assert [kind for (kind,) in rows(site, Jobs.kind)] == [JobKind.RECALL, JobKind.RECONCILE]
    lines = [record.getMessage() for record in caplog.records if record.name == "chalicelib.sweep.sweep"]
    assert lines[0] == "jobs resent: 1"
    assert "dead letters sent again: 1" in lines
    assert any(line.startswith("sweep failed (overdue carts failed): integer division") for line in lines)


def _swept(site: Site) -> list[str]:
    """The unfinished uploads after a sweep that looks for orphans."""
    change(site, Volume, reconciled_at=0)
    site.system.sweep.run()
    return uploads(site)


def test_concurrent_sweeps_do_the_work_of_one(dead: tuple[Site, str]) -> None:
    site, _ = dead
    for number in range(10):
        site.system.service.create(ANYONE, f"cart-{number}", manifest(FILES))
    change(site, Carts, used_at=0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: site.system.sweep.run(), range(8)))
    assert {state(site, f"cart-{number}") for number in range(10)} == {"error"}
    kinds = sorted(kind for kind, cart in rows(site, Jobs.kind, Jobs.cart_id) if cart)
    assert kinds == [JobKind.CLEANUP] * 10
