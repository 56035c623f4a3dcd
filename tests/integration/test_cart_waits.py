"""What a cart waits for, from its jobs' rows: as `/status` and HEAD tell it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.api import responses
from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.operating_models import Workers
from chalicelib.db.states import WaitsFor
from chalicelib.stores.cart_waits import CartWait, CartWaitStore
from chalicelib.stores.job_row import Job
from chalicelib.stores.job_waits import JobWaitStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.stores.worker_states import WorkerStateStore
from tests.callers import ANYONE
from tests.integration.posting import Posting

LEASE = 30.0


@pytest.fixture
def posting(database: Database) -> Posting:
    return Posting(database, LEASE)


class Waiting:
    """A cart with one job, and what it waits for."""

    def __init__(self, posting: Posting) -> None:
        self.posting, self.jobs = posting, posting.jobs
        [self.message] = posting.post("mycart", 1, 2)
        self.database = posting.database
        self.cart = posting.service.find(ANYONE, "mycart")

    def claim(self, token: int = 0) -> Job:
        job = self.jobs.claim(self.message.job_id, token)
        assert job is not None
        return job

    def look(self) -> CartWait | None:
        return CartWaitStore(self.database, LEASE).of_cart(self.cart)

    def word(self) -> str:
        wait = self.look()
        return str(wait.waits_for) if wait else ""

    def set(self, **values: Any) -> None:
        with self.database.session() as db:
            Jobs.update(**values).execute(db)

    def ago(self, seconds: float) -> float:
        return self.database.clock() - seconds


@pytest.fixture
def waiting(posting: Posting) -> Waiting:
    return Waiting(posting)


def test_a_new_cart_waits_for_a_worker_and_then_for_nothing(waiting: Waiting) -> None:
    assert waiting.word() == "worker"
    waiting.claim()
    assert waiting.look() is None


def test_a_cart_whose_message_was_not_sent_waits_for_the_queue(waiting: Waiting) -> None:
    UnsentJobStore(waiting.database, LEASE).mark_unsent([waiting.message])
    assert waiting.word() == "queue"


@pytest.mark.parametrize(("held", "word"), [([], "queue"), ([99], "worker")])
def test_a_job_that_no_idle_worker_takes_waits_for_the_queue(waiting: Waiting, held: list[int], word: str) -> None:
    waiting.set(due_at=waiting.ago(LEASE + 5))
    assert waiting.word() == "worker"
    workers = WorkerStateStore(waiting.database)
    workers.started("w1", "")
    workers.seen("w1", held, "", 0, 0, False)
    assert waiting.word() == word


def test_a_deferred_job_waits_also_while_it_tries_again(waiting: Waiting) -> None:
    job = waiting.claim()
    assert waiting.jobs.defer(job, 0, "the archive is down", WaitsFor.ARCHIVE)
    assert waiting.word() == "archive"
    since = waiting.look()
    job = waiting.claim(job.token)
    assert waiting.look() == since
    waiting.jobs.progressed(job, lambda: None)
    assert waiting.look() is None


def test_a_job_whose_wait_is_over_waits_for_a_worker(waiting: Waiting) -> None:
    assert waiting.jobs.defer(waiting.claim(), 0, "on tape", WaitsFor.TAPE)
    waiting.set(due_at=waiting.ago(20))
    assert waiting.word() == "worker"


def test_of_several_jobs_the_longest_wait_counts_and_none_if_one_works(waiting: Waiting) -> None:
    assert waiting.jobs.defer(waiting.claim(), 60, "the archive is down", WaitsFor.ARCHIVE)
    waiting.set(waits_since=waiting.ago(300))
    second = waiting.database.transaction(lambda: waiting.jobs.add(waiting.cart.id, "window", 1))
    other = waiting.jobs.claim(second.job_id, 0)
    assert other is not None
    assert waiting.look() is None
    assert waiting.jobs.defer(other, 60, "the volume is full", WaitsFor.SPACE)
    assert waiting.word() == "archive"


def test_a_call_that_hangs_is_noted_while_the_job_is_held(waiting: Waiting) -> None:
    waits, job = JobWaitStore(waiting.database), waiting.claim()
    assert waits.begin(job, WaitsFor.STORE, "the bundle store: nothing has come from it for 31 s", 31)
    wait = waiting.look()
    assert wait is not None
    assert wait.waits_for == "store"
    assert waiting.database.clock() - wait.since == pytest.approx(31, abs=10)
    assert waits.end(job)
    assert waiting.look() is None
    assert waiting.jobs.defer(job, 60)
    assert not waits.begin(job, WaitsFor.STORE, "", 40), "its lease is over"


def test_clients_see_the_word_the_time_and_a_sentence(waiting: Waiting) -> None:
    assert waiting.jobs.defer(waiting.claim(), 60, "cannot connect to archive.example:8080", WaitsFor.ARCHIVE)
    status = responses.progress(waiting.posting.service.status(ANYONE, "mycart")).body
    assert '"waiting_for": "archive"' in status
    assert '"waiting": "The archive does not answer, or fails; it is asked again and again."' in status
    assert "archive.example" not in status
    head = responses.state(*waiting.posting.service.look(ANYONE, "mycart"))
    progress = str(head.headers["X-Pacifica-Progress"])
    assert re.fullmatch(r"files=0/2; bytes=0/0; bundled=0/0; waiting_for=archive; since=\d{4}-[^;]+\+00:00", progress)


def test_a_job_is_not_said_to_be_lost_when_the_idle_worker_was_last_seen_before_it(waiting: Waiting) -> None:
    waiting.set(due_at=waiting.ago(LEASE + 5))
    workers = WorkerStateStore(waiting.database)
    workers.started("w1", "")
    workers.seen("w1", [], "", 0, 0, False)
    with waiting.database.session() as db:
        Workers.update(seen_at=waiting.ago(LEASE + 6)).execute(db)
    assert waiting.word() == "worker"


def test_windows_that_wait_for_a_worker_do_not_hide_what_the_others_wait_for(waiting: Waiting) -> None:
    assert waiting.jobs.defer(waiting.claim(), 60, "the store is down", WaitsFor.STORE)
    second = waiting.database.transaction(lambda: waiting.jobs.add(waiting.cart.id, "window", 1))
    with waiting.database.session() as db:
        Jobs.update(due_at=waiting.ago(300)).where(Jobs.id == second.job_id).execute(db)
    assert waiting.word() == "store"
