"""During a deployment: rows of the previous release under this code, and its SQL on rows this code writes."""

from __future__ import annotations

import pytest

from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database, execute
from chalicelib.job_message import Claim, JobMessage
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import CleanupPass, Job, JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.turns import Turn
from chalicelib.stores.unsent_jobs import UnsentJobStore
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.previous_release import LEASE, PreviousRelease
from tests.integration.test_uploaded_manifest import DOCUMENT, UPLOADED, upload


@pytest.fixture
def old(database: Database) -> PreviousRelease:
    return PreviousRelease(database)


@pytest.fixture
def jobs(database: Database) -> JobStore:
    return JobStore(database, LEASE)


@pytest.fixture
def unsent(database: Database) -> UnsentJobStore:
    return UnsentJobStore(database, LEASE)


@pytest.fixture
def message(database: Database, jobs: JobStore) -> JobMessage:
    """The message of a job of cart 7."""
    return database.transaction(lambda: jobs.add(7, JobKind.CLEANUP, CleanupPass.FIRST))


def full_queue() -> int:
    """A queue that seems to have every message."""
    return 10**6


def followed(job: Job | None) -> JobMessage:
    """The message that follows this claim."""
    assert job is not None
    return JobMessage(job.id, job.token, "cart-7")


def test_values_that_other_releases_read_do_not_change() -> None:
    kinds = ["manifest", "upload", "recall", "window", "cleanup", "reconcile", "assist", "policy", "evict", "restart"]
    kinds += ["look"]
    assert sorted(JobKind) == sorted(kinds)  # an older worker leaves kinds that it does not know to newer ones
    assert list(CleanupPass) == [0, 1, 2]  # an older worker takes 2 for 1, and keeps the rows of a failed cart


def test_a_job_parked_by_the_previous_release_is_sent_when_due(
    old: PreviousRelease, jobs: JobStore, unsent: UnsentJobStore, message: JobMessage
) -> None:
    job = old.claim(message)
    assert job is not None
    assert old.park(job, "a worker may still be at it", 1)
    assert unsent.take_due(10, full_queue) == [followed(job)]
    assert unsent.take_due(10, full_queue) == []
    again = jobs.claim(job.id, job.token)
    assert again is not None
    assert (again.window, again.last_error) == (CleanupPass.LAST, "")


def test_a_job_marked_unsent_by_the_previous_release_is_sent_at_once(
    old: PreviousRelease, unsent: UnsentJobStore, message: JobMessage
) -> None:
    old.unsent(message.job_id)
    assert unsent.take_due(10, full_queue) == [message]


def test_a_wait_reason_of_the_previous_release_is_not_an_error(
    database: Database, old: PreviousRelease, jobs: JobStore, message: JobMessage
) -> None:
    job = old.claim(message)
    assert job is not None
    assert old.defer(job, "tape")
    assert database.transaction(lambda: jobs.last_problem(7)) == "tape"
    again = jobs.claim(job.id, job.token)
    assert again is not None
    assert again.last_error == ""


def test_the_later_problem_counts_whichever_release_wrote_it(
    database: Database, old: PreviousRelease, jobs: JobStore, message: JobMessage
) -> None:
    def problem() -> str:
        return database.transaction(lambda: jobs.last_problem(7))

    job = jobs.claim(message.job_id, message.token)
    assert job is not None
    assert jobs.defer(job, 0, "the archive is down")
    job = old.claim(followed(job))
    assert job is not None
    assert old.release(job, "ValueError: 7")
    assert problem() == "ValueError: 7"
    job = jobs.claim(job.id, job.token)
    assert job is not None
    assert job.last_error == "ValueError: 7"
    assert jobs.defer(job, 0, "the archive is down again")
    assert problem() == "the archive is down again"
    assert old.last_error(7) == ""


def test_the_previous_release_can_claim_and_defer_a_job_this_one_parked(
    database: Database, old: PreviousRelease, jobs: JobStore, unsent: UnsentJobStore, message: JobMessage
) -> None:
    job = jobs.claim(message.job_id, message.token)
    assert job is not None
    assert jobs.park(job, 0, "a worker may still be at it", CleanupPass.LAST)
    assert (old.due(with_message=True), old.due(with_message=False)) == ([job.id], [])
    taken = old.claim(followed(job))
    assert taken is not None
    assert (taken.window, taken.attempts, taken.last_error) == (1, 1, "")
    assert old.defer(taken, "the store is down")
    assert unsent.take_due(10, full_queue) == []
    with database.session() as db:
        execute(db, "UPDATE jobs SET next_send_at = 1")
    assert unsent.take_due(10, full_queue) == [followed(taken)], "at worst it has two messages"


def test_the_previous_release_reads_the_error_of_a_failed_attempt(
    old: PreviousRelease, jobs: JobStore, message: JobMessage
) -> None:
    job = jobs.claim(message.job_id, message.token)
    assert job is not None
    jobs.fail_attempt(job, 0, "ValueError: 7")
    assert old.last_error(7) == "ValueError: 7"
    taken = old.claim(followed(job))
    assert taken is not None
    assert (taken.attempts, taken.last_error) == (2, "ValueError: 7")


def test_rows_of_the_previous_release_are_due_as_it_means_them(
    database: Database, old: PreviousRelease, jobs: JobStore, message: JobMessage
) -> None:
    due = DueJobStore(database, LEASE)
    with database.session() as db:  # as a row that the previous release inserts
        execute(db, "UPDATE jobs SET due_at = 0, ready = 1, line = '', small = 0")
    assert due.next(Turn()) == [Claim(message.job_id, 0)]
    job = old.claim(message)
    assert job is not None
    assert due.next(Turn()) == [], "it is held"
    assert old.park(job, "a worker may still be at it", 1)
    assert due.next(Turn()) == [], "it has no message"
    with database.session() as db:  # deferred for a minute
        execute(db, f"UPDATE jobs SET sends = 0, next_send_at = {database.now.sql} + 60 + {LEASE}")
    assert due.next(Turn()) == []
    assert not due.any_due()
    with database.session() as db:
        execute(db, f"UPDATE jobs SET next_send_at = {database.now.sql} + {LEASE}")
    assert due.next(Turn()) == [job.claim]
    taken = jobs.claim(*job.claim)
    assert taken is not None
    assert old.claim(followed(job)) is None, "the previous release sees that it is held"
    assert jobs.defer(taken, 60, "tape")
    assert old.claim(JobMessage(taken.id, taken.token - 1, "cart-7")) is None
    assert old.claim(followed(taken)) is not None, "by its message, which is delayed"
    assert due.next(Turn()) == []


def test_an_upload_posted_and_read_by_the_previous_release_is_no_new_work_when_posted_again(site: Site) -> None:
    upload(site, "up", DOCUMENT)
    site.system.service.create(ANYONE, "up", UPLOADED)
    site.start_worker()
    cart = site.wait("up")
    with site.system.database.session() as db:  # the previous release sets no such column
        execute(db, "UPDATE carts SET uploaded = 0")
        assert execute(db, "SELECT digest FROM carts").fetchone()[0].startswith("upload-"), (
            "the previous release reads the prefix"
        )
    site.system.service.create(ANYONE, "up", UPLOADED)
    again = site.system.service.find(ANYONE, "up")
    assert (again.id, again.state) == (cart.id, "ready")


def test_the_migration_marks_existing_uploaded_carts(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(load(database_variables))
    every = schema.available()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "available", lambda: {n: name for n, name in every.items() if n < 6})
        schema.sync(database)
    cart = "INSERT INTO carts (uid, state, root, digest, files_total, created_at, used_at) VALUES"
    with database.session() as db:
        for digest in ("upload-e7", "0" * 64):
            execute(db, f"{cart} ('{digest}', 'ready', 'r', '{digest}', 1, 1, 1)")
    schema.sync(database)
    with database.session() as db:
        found = dict(execute(db, "SELECT digest, uploaded FROM carts").fetchall())
    assert found == {"upload-e7": 1, "0" * 64: 0}
    database.close()
