"""The job store: one holder at a time, fenced writes, no lost jobs; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import LeaseLost
from chalicelib.job_message import Claim, JobMessage, group_of
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore

CART = 7


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database, lease=30)


@pytest.fixture
def row(database: Database) -> Callable[..., Jobs]:
    """Reads a job's row, after changing these columns of it."""

    def reading(job_id: int, **changes: Any) -> Jobs:
        with database.session() as db:
            if changes:
                Jobs.update(**changes).where(Jobs.id == job_id).execute(db)
            found: Jobs = Jobs.select().where(Jobs.id == job_id).first(db)
        return found

    return reading


@pytest.fixture
def message(database: Database, store: JobStore) -> JobMessage:
    return database.transaction(lambda: store.add(CART, JobKind.WINDOW, 3))


def claimed(store: JobStore, message: JobMessage) -> Job:
    job = store.claim(message.job_id, message.token)
    assert job is not None
    return job


def following(job: Job) -> JobMessage:
    """The message that is sent after this claim."""
    return JobMessage(job.id, job.token, group_of(job.cart_id))


def test_claiming_returns_the_job_as_it_was_added(store: JobStore, message: JobMessage) -> None:
    job = claimed(store, message)
    assert (job.id, job.cart_id, job.kind, job.window, job.attempts) == (message.job_id, CART, JobKind.WINDOW, 3, 1)


def test_a_held_job_is_not_claimed(store: JobStore, message: JobMessage) -> None:
    claimed(store, message)
    assert store.claim(message.job_id, message.token) is None
    assert store.claim(message.job_id, message.token + 1) is None
    assert store.claim(message.job_id + 1, 0) is None


def test_one_of_many_concurrent_claims_wins(database: Database, store: JobStore, message: JobMessage) -> None:
    def claim(_: int) -> Job | None:
        try:
            return store.claim(message.job_id, message.token)
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(job is not None for job in pool.map(claim, range(24))) == 1


def test_after_a_lease_expires_the_next_claim_fences_the_first(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    first = claimed(store, message)
    row(message.job_id, lease_until=1, next_send_at=1, due_at=1)
    second = claimed(store, following(first))
    assert (second.attempts, second.token) == (2, first.token + 1)
    written: list[str] = []
    with pytest.raises(LeaseLost):
        store.fenced(first, lambda: written.append("first"))
    with pytest.raises(LeaseLost):
        store.finish(first, lambda: written.append("first"))
    assert store.renew([first, second]) == [first]
    assert not store.defer(first, 0)
    store.requeue(first)
    store.fail_attempt(first, 0, "late")
    assert row(message.job_id).last_error == ""
    assert store.claim(message.job_id, second.token) is None
    store.fenced(second, lambda: written.append("second"))
    assert written == ["second"]


def test_an_expired_lease_cannot_be_renewed(store: JobStore, message: JobMessage, row: Callable[..., Jobs]) -> None:
    job = claimed(store, message)
    row(message.job_id, lease_until=1)
    assert store.renew([job]) == [job]
    with pytest.raises(LeaseLost):
        store.fenced(job, lambda: None)


def test_a_failing_fenced_write_is_rolled_back(store: JobStore, message: JobMessage, row: Callable[..., Jobs]) -> None:
    job = claimed(store, message)

    def work() -> None:
        store.add(CART, JobKind.RECALL)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.fenced(job, work, JobKind.CLEANUP, 9)
    assert (row(message.job_id).kind, row(message.job_id).window, row(message.job_id).attempts) == (
        JobKind.WINDOW,
        3,
        1,
    )
    assert row(message.job_id + 1) is None


def test_a_fenced_write_may_change_the_jobs_kind_and_window(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    assert store.fenced(claimed(store, message), lambda: "done", JobKind.RECALL, 0) == "done"
    assert (row(message.job_id).attempts, row(message.job_id).kind, row(message.job_id).window) == (
        1,
        JobKind.RECALL,
        0,
    )


def test_progress_resets_the_count_of_attempts(store: JobStore, message: JobMessage, row: Callable[..., Jobs]) -> None:
    row(message.job_id, progress_at=1)
    assert store.progressed(claimed(store, message), lambda: "done") == "done"
    assert row(message.job_id).attempts == 0
    assert row(message.job_id).progress_at > 1


def test_finishing_deletes_the_job_with_its_last_write(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    job = claimed(store, message)
    store.finish(job, lambda: None)
    assert row(message.job_id) is None
    with pytest.raises(LeaseLost):
        store.finish(job, lambda: None)


def test_deferring_is_not_a_failed_attempt(store: JobStore, message: JobMessage, row: Callable[..., Jobs]) -> None:
    for _ in range(7):
        job = claimed(store, message)
        assert store.defer(job, 0)
        message = following(job)
    assert row(message.job_id).attempts == 0


def test_nothing_shortens_the_wait(store: JobStore, message: JobMessage, row: Callable[..., Jobs]) -> None:
    job = claimed(store, message)
    assert store.defer(job, 60)
    assert store.claim(message.job_id, message.token) is None
    assert store.claim(message.job_id, job.token) is None
    row(message.job_id, due_at=1, next_send_at=1)
    assert claimed(store, following(job)).token == job.token + 1


def test_failed_attempts_are_counted_and_record_the_error(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    for attempt in range(1, 4):
        job = claimed(store, message)
        assert job.attempts == attempt
        store.fail_attempt(job, 0, "x" * 2000)
        message = following(job)
    assert row(message.job_id).last_error == "x" * 1024


@pytest.mark.parametrize("progress", [False, True])
def test_a_requeued_job_is_free_at_once_as_if_never_claimed(
    store: JobStore, message: JobMessage, progress: bool, row: Callable[..., Jobs]
) -> None:
    job = claimed(store, message)
    if progress:
        store.progressed(job, lambda: None)
    store.requeue(job)
    assert row(message.job_id).attempts == 0
    assert claimed(store, following(replace(job, token=job.token + 1))).attempts == 1


def test_deleting_a_carts_jobs_revokes_their_leases(database: Database, store: JobStore, message: JobMessage) -> None:
    job = claimed(store, message)
    other = database.transaction(lambda: store.add(CART + 1, JobKind.RECALL))
    database.transaction(lambda: store.delete_all(CART))
    with pytest.raises(LeaseLost):
        store.fenced(job, lambda: None)
    assert claimed(store, other).cart_id == CART + 1


@pytest.mark.parametrize("park", [False, True])
def test_a_deferred_job_has_a_wait_reason_and_no_error(
    store: JobStore, message: JobMessage, park: bool, row: Callable[..., Jobs]
) -> None:
    row(message.job_id, last_error="ValueError")
    job = claimed(store, message)
    assert store.park(job, 1, "r" * 2000, window=4) if park else store.defer(job, 1, "r" * 2000)
    found = row(message.job_id)
    assert (found.wait_reason, found.last_error, found.window) == ("r" * 1024, "", 4 if park else 3)


def test_a_failed_attempt_has_an_error_and_no_wait_reason(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    row(message.job_id, wait_reason="tape")
    store.fail_attempt(claimed(store, message), 1, "ValueError")
    assert (row(message.job_id).wait_reason, row(message.job_id).last_error) == ("", "ValueError")


def test_the_last_problem_is_that_of_the_job_that_progressed_last(
    database: Database, store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    def problem() -> str:
        return database.transaction(lambda: store.last_problem(CART))

    other = database.transaction(lambda: store.add(CART, JobKind.WINDOW, 4))
    assert problem() == ""
    row(message.job_id, wait_reason="tape", progress_at=1)
    assert problem() == "tape"
    row(other.job_id, last_error="ValueError", progress_at=2)
    assert problem() == "ValueError"


def test_a_claim_is_alive_until_its_lease_expires(
    store: JobStore, message: JobMessage, row: Callable[..., Jobs]
) -> None:
    claim = claimed(store, message).claim
    late = Claim(claim.job_id, claim.token - 1)
    gone = Claim(claim.job_id + 1, 1)
    assert store.alive([claim, late, gone]) == {claim}
    row(message.job_id, lease_until=1)
    assert store.alive([claim, late, gone]) == set()
    assert store.alive([]) == set()
