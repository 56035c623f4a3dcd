"""The job store's promises: one holder at a time, fenced writes, nothing lost; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib import job_message
from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import LeaseLost
from chalicelib.job_message import JobMessage, NewerVersion, group_of
from chalicelib.stores.jobs import Claim, Job, JobKind, JobStore

CART = 7


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database, lease=30)


@pytest.fixture
def row(database: Database) -> Callable[..., Jobs]:
    """A job's row, after it was changed as told."""

    def reading(job_id: int, **changes: Any) -> Jobs:
        with database.session() as db:
            if changes:
                Jobs.update(**changes).where(Jobs.id == job_id).execute(db)
            found: Jobs = Jobs.select().where(Jobs.id == job_id).first(db)
        return found

    return reading


@pytest.fixture
def hint(database: Database, store: JobStore) -> JobMessage:
    return database.transaction(lambda: store.add(CART, JobKind.WINDOW, 3))


def claimed(store: JobStore, hint: JobMessage) -> Job:
    job = store.claim(hint.job_id, hint.token)
    assert job is not None
    return job


def following(job: Job) -> JobMessage:
    """What the message says that is sent after this claim."""
    return JobMessage(job.id, job.token, group_of(job.cart_id))


def test_a_job_is_claimed_as_it_was_added(store: JobStore, hint: JobMessage) -> None:
    job = claimed(store, hint)
    assert (job.id, job.cart_id, job.kind, job.window, job.attempts) == (hint.job_id, CART, JobKind.WINDOW, 3, 1)


def test_a_held_job_is_not_claimed(store: JobStore, hint: JobMessage) -> None:
    claimed(store, hint)
    assert store.claim(hint.job_id, hint.token) is None
    assert store.claim(hint.job_id, hint.token + 1) is None
    assert store.claim(hint.job_id + 1, 0) is None


def test_of_many_claims_at_once_one_wins(database: Database, store: JobStore, hint: JobMessage) -> None:
    def claim(_: int) -> Job | None:
        try:
            return store.claim(hint.job_id, hint.token)
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(job is not None for job in pool.map(claim, range(24))) == 1


def test_a_lease_that_ran_out_goes_to_another_who_fences_the_first(
    store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    first = claimed(store, hint)
    row(hint.job_id, lease_until=1, next_send_at=1)
    second = claimed(store, hint)
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
    assert row(hint.job_id).last_error == ""
    assert store.claim(hint.job_id, second.token) is None
    store.fenced(second, lambda: written.append("second"))
    assert written == ["second"]


def test_a_lease_that_ran_out_never_comes_back(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    job = claimed(store, hint)
    row(hint.job_id, lease_until=1)
    assert store.renew([job]) == [job]
    with pytest.raises(LeaseLost):
        store.fenced(job, lambda: None)


def test_a_fenced_write_that_fails_leaves_nothing(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    job = claimed(store, hint)

    def work() -> None:
        store.add(CART, JobKind.RECALL)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.fenced(job, work, JobKind.CLEANUP, 9)
    assert (row(hint.job_id).kind, row(hint.job_id).window, row(hint.job_id).attempts) == (JobKind.WINDOW, 3, 1)
    assert row(hint.job_id + 1) is None


def test_a_fenced_write_may_change_what_the_job_is(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    assert store.fenced(claimed(store, hint), lambda: "done", JobKind.RECALL, 0) == "done"
    assert (row(hint.job_id).attempts, row(hint.job_id).kind, row(hint.job_id).window) == (1, JobKind.RECALL, 0)


def test_progress_counts_the_attempts_anew(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    row(hint.job_id, progress_at=1)
    assert store.progressed(claimed(store, hint), lambda: "done") == "done"
    assert row(hint.job_id).attempts == 0
    assert row(hint.job_id).progress_at > 1


def test_finishing_takes_the_job_away_with_its_last_write(
    store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    job = claimed(store, hint)
    store.finish(job, lambda: None)
    assert row(hint.job_id) is None
    with pytest.raises(LeaseLost):
        store.finish(job, lambda: None)


def test_waiting_is_no_failed_attempt(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    for _ in range(7):
        job = claimed(store, hint)
        assert store.defer(job, 60)
        hint = following(job)
    assert row(hint.job_id).attempts == 0


def test_an_old_copy_of_a_message_does_not_end_the_wait(
    store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    job = claimed(store, hint)
    assert store.defer(job, 60)
    assert store.claim(hint.job_id, hint.token) is None
    row(hint.job_id, next_send_at=1)
    assert claimed(store, hint).token == job.token + 1


def test_failing_counts_and_says_why(store: JobStore, hint: JobMessage, row: Callable[..., Jobs]) -> None:
    for attempt in range(1, 4):
        job = claimed(store, hint)
        assert job.attempts == attempt
        store.fail_attempt(job, 1, "x" * 2000)
        hint = following(job)
    assert row(hint.job_id).last_error == "x" * 1024


@pytest.mark.parametrize("progress", [False, True])
def test_a_job_handed_back_is_free_at_once_and_as_if_never_claimed(
    store: JobStore, hint: JobMessage, progress: bool, row: Callable[..., Jobs]
) -> None:
    job = claimed(store, hint)
    if progress:
        store.progressed(job, lambda: None)
    store.requeue(job)
    assert row(hint.job_id).attempts == 0
    assert claimed(store, hint).attempts == 1  # its message, which was handed back as well


def test_dropping_a_carts_jobs_stops_their_holders(database: Database, store: JobStore, hint: JobMessage) -> None:
    job = claimed(store, hint)
    other = database.transaction(lambda: store.add(CART + 1, JobKind.RECALL))
    database.transaction(lambda: store.delete_all(CART))
    with pytest.raises(LeaseLost):
        store.fenced(job, lambda: None)
    assert claimed(store, other).cart_id == CART + 1


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[]", "{}", '{"v": 1}', '{"v": 1, "job": "x"}', "[" * 9999, '{"v": {}}']
)
def test_a_message_that_is_not_ours_is_told_apart(body: str) -> None:
    assert job_message.decode(body) is None


def test_a_message_says_only_which_job_and_claim(hint: JobMessage) -> None:
    assert job_message.decode(job_message.encode(hint)) == (hint.job_id, hint.token)
    with pytest.raises(NewerVersion):
        job_message.decode('{"v": 2, "job": 1, "token": 0}')


@pytest.mark.parametrize("park", [False, True])
def test_a_deferred_job_has_a_reason_to_wait_and_no_error(
    store: JobStore, hint: JobMessage, park: bool, row: Callable[..., Jobs]
) -> None:
    row(hint.job_id, last_error="ValueError")
    job = claimed(store, hint)
    assert store.park(job, 1, "r" * 2000, window=4) if park else store.defer(job, 1, "r" * 2000)
    found = row(hint.job_id)
    assert (found.wait_reason, found.last_error, found.window) == ("r" * 1024, "", 4 if park else 3)


def test_a_failed_attempt_has_an_error_and_no_reason_to_wait(
    store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    row(hint.job_id, wait_reason="tape")
    store.fail_attempt(claimed(store, hint), 1, "ValueError")
    assert (row(hint.job_id).wait_reason, row(hint.job_id).last_error) == ("", "ValueError")


def test_of_a_carts_problems_the_last_one_is_that_of_the_job_that_progressed_last(
    database: Database, store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    def problem() -> str:
        return database.transaction(lambda: store.last_problem(CART))

    other = database.transaction(lambda: store.add(CART, JobKind.WINDOW, 4))
    assert problem() == ""
    row(hint.job_id, wait_reason="tape", progress_at=1)
    assert problem() == "tape"
    row(other.job_id, last_error="ValueError", progress_at=2)
    assert problem() == "ValueError"


def test_a_claim_is_alive_while_its_lease_is_in_force(
    store: JobStore, hint: JobMessage, row: Callable[..., Jobs]
) -> None:
    claim = claimed(store, hint).claim
    late = Claim(claim.job_id, claim.token - 1)
    gone = Claim(claim.job_id + 1, 1)
    assert store.alive([claim, late, gone]) == {claim}
    row(hint.job_id, lease_until=1)
    assert store.alive([claim, late, gone]) == set()
    assert store.alive([]) == set()
