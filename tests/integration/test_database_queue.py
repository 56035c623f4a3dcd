"""A site whose jobs table is the queue: no SQS, no message, and no sweep is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.states import WaitsFor
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.turns import Turn
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, generated, manifest, rows, until

LEASE = 30
ON_SQLITE = pytest.mark.parametrize("database_variables", ["sqlite"], indirect=True)


@pytest.fixture
def table_site(site_of: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS")
    return site_of(JOB_QUEUE="database", JOB_WAKE_DIR=str(tmp_path / "wake"), AWS_ENDPOINT_URL_SQS="")


def test_carts_become_ready_and_are_cleaned_up_without_sqs_or_sweep(table_site: Site) -> None:
    files = {f"cart-{number}": generated(3, 64, f"{number}-") for number in range(4)}
    for _ in range(2):
        table_site.start_worker()
    for uid, content in files.items():
        table_site.system.service.create(ANYONE, uid, manifest(content))
    for uid, content in files.items():
        assert_ready(table_site, uid, content)
        table_site.system.service.delete(ANYONE, uid)
    until(lambda: not table_site.stored(), 30, "bundles are left")


def test_a_parked_job_becomes_due_by_itself(database: Database) -> None:
    jobs, due = JobStore(database, LEASE, parked_has_message=1), DueJobStore(database, LEASE)
    message = database.transaction(lambda: jobs.add(1, JobKind.WINDOW))
    job = jobs.claim(message.job_id, 0)
    assert job is not None
    assert jobs.park(job, -1, "not urgent", 0, WaitsFor.WORKER)
    assert [claim.job_id for claim in due.next(Turn())] == [message.job_id]
    assert jobs.claim(message.job_id, job.token) is not None


@ON_SQLITE
def test_jobs_of_a_site_that_used_sqs_are_found(table_site: Site) -> None:
    content = generated(1, 64)
    table_site.system.service.create(ANYONE, "a", manifest(content))
    with table_site.system.database.session() as db:
        Jobs.update(has_message=0, ready=0, next_send_at=0).execute(db)
    table_site.start_worker()
    assert table_site.system.sweep.repair()["jobs resent"] == 1
    assert_ready(table_site, "a", content)
    assert rows(table_site, Jobs.id) == []


@ON_SQLITE
def test_the_health_of_the_queue_is_the_databases(table_site: Site) -> None:
    table_site.system.service.create(ANYONE, "a", manifest(generated(1, 64)))
    assert set(table_site.system.health.readiness()) == {"database", "store"}
    figures = {sample.metric.name: sample.value for sample in table_site.system.health.figures()}
    assert (figures["pacifica_cart_queue_up"], figures["pacifica_cart_queue_messages"]) == (1, 1)
    assert figures["pacifica_cart_dead_letters"] == 0
