"""What the sweep sends: jobs without a message, and those whose message is lost, as the queue's count shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import LeaseLost
from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import JobKind, JobStore
from chalicelib.stores.unsent_jobs import ResendPolicy, UnsentJobStore

CART, LEASE = 7, 30


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database, LEASE)


@pytest.fixture
def unsent(database: Database) -> UnsentJobStore:
    return UnsentJobStore(database, LEASE)


@pytest.fixture
def change(database: Database) -> Callable[..., Jobs]:
    """A job's row, after it was changed as told."""

    def changed(hint: JobMessage, **changes: Any) -> Jobs:
        with database.session() as db:
            if changes:
                Jobs.update(**changes).where(Jobs.id == hint.job_id).execute(db)
            found: Jobs = Jobs.select().where(Jobs.id == hint.job_id).first(db)
        return found

    return changed


@pytest.fixture
def hints(database: Database, store: JobStore, change: Callable[..., Jobs]) -> list[JobMessage]:
    """Four jobs whose messages were sent some leases ago, the oldest first."""
    sent = [database.transaction(lambda: store.add(CART, JobKind.RECALL)) for _ in range(4)]
    for age, hint in enumerate(sent):
        change(hint, next_send_at=database.clock() - 100 + age)
    return sent


def lost() -> int:
    """An empty queue."""
    return 0


def test_a_job_is_due_a_lease_after_it_was_added(database: Database, store: JobStore, unsent: UnsentJobStore) -> None:
    hint = database.transaction(lambda: store.add(CART, JobKind.RECALL))
    assert unsent.due(10, lost) == []
    with database.session() as db:
        Jobs.update(next_send_at=1).execute(db)
    assert unsent.due(10, lost) == [hint]
    assert unsent.due(10, lost) == []


def test_jobs_that_merely_wait_in_a_deep_queue_are_not_sent_again(
    unsent: UnsentJobStore, hints: list[JobMessage]
) -> None:
    for _ in range(3):
        assert unsent.due(10, lambda: len(hints)) == []
    assert unsent.due(10, lost) == hints


def test_as_many_are_sent_as_messages_are_missing_the_oldest_first(
    unsent: UnsentJobStore, hints: list[JobMessage]
) -> None:
    assert unsent.due(10, lambda: 3) == hints[:1]
    assert unsent.due(10, lambda: 2) == hints[1:3]
    assert unsent.due(3, lost) == hints[3:]


def test_a_held_job_is_expected_to_have_its_message_and_is_not_due(
    store: JobStore, unsent: UnsentJobStore, hints: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    assert store.claim(hints[0].job_id, 0) is not None
    change(hints[0], next_send_at=1)
    assert unsent.due(10, lambda: 4) == []
    assert unsent.due(10, lambda: 3) == hints[1:2]


def test_delayed_messages_are_not_counted_so_their_jobs_are_not_either(
    store: JobStore, unsent: UnsentJobStore, hints: list[JobMessage]
) -> None:
    job = store.claim(hints[3].job_id, 0)
    assert job is not None
    assert store.defer(job, 300, "tape")
    assert unsent.due(10, lambda: 3) == []
    assert unsent.due(10, lambda: 2) == hints[:1]


def test_a_job_without_a_message_is_sent_when_it_is_due_whatever_the_queue_holds(
    store: JobStore, unsent: UnsentJobStore, hints: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    job = store.claim(hints[3].job_id, 0)
    assert job is not None
    assert store.park(job, 300, "no hurry", window=job.window)
    assert unsent.due(10, lambda: 3) == []
    change(hints[3], next_send_at=1)
    [hint] = unsent.due(10, lambda: 100)
    assert (hint.job_id, hint.token) == (job.id, job.token)
    assert unsent.due(10, lambda: 4) == []
    assert store.claim(hint.job_id, hint.token) is not None


def test_what_the_queue_did_not_take_is_due_again_at_once(unsent: UnsentJobStore, hints: list[JobMessage]) -> None:
    for _ in range(8):
        assert unsent.due(10, lost) == hints
        unsent.mark_unsent(hints)
    assert unsent.due(10, lambda: 100) == hints


def test_a_queue_that_counts_wrong_keeps_no_job_from_being_sent_for_ever(
    database: Database, unsent: UnsentJobStore, hints: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    change(hints[2], next_send_at=database.clock() - ResendPolicy().overdue_leases * LEASE - 1)
    assert unsent.due(10, lambda: 10**6) == [hints[2]]


def test_after_a_clock_was_set_back_no_lease_and_no_wait_lasts_for_as_long(
    database: Database, store: JobStore, unsent: UnsentJobStore, hints: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    day = database.clock() + 86400
    held, waits = store.claim(hints[0].job_id, 0), store.claim(hints[1].job_id, 0)
    assert held is not None
    assert waits is not None
    change(hints[0], lease_until=day, next_send_at=day)
    assert store.defer(waits, 900, "the longest there is")
    assert [hint.job_id for hint in unsent.due(10, lost)] == [hint.job_id for hint in (hints[2], hints[3], hints[0])]
    with pytest.raises(LeaseLost):
        store.fenced(held, lambda: None)
    assert store.claim(held.id, held.token) is not None


@pytest.mark.parametrize(("sends", "wait"), [(-1, 30), (0, 30), (1, 60), (4, 480), (5, 900), (50, 900), (2000, 900)])
def test_what_stays_unclaimed_is_sent_ever_more_rarely(
    database: Database,
    unsent: UnsentJobStore,
    hints: list[JobMessage],
    change: Callable[..., Jobs],
    sends: int,
    wait: int,
) -> None:
    change(hints[0], next_send_at=1, sends=sends)
    assert hints[0] in unsent.due(10, lost)
    assert change(hints[0]).next_send_at - database.clock() == pytest.approx(wait, abs=5)
