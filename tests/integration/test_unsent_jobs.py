"""The jobs the sweep sends: those without a message, and those whose message is lost by the queue's count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import LeaseLost
from chalicelib.job_message import JobMessage
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
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
    """Reads a job's row, after changing these columns of it."""

    def changed(message: JobMessage, **changes: Any) -> Jobs:
        with database.session() as db:
            if changes:
                Jobs.update(**changes).where(Jobs.id == message.job_id).execute(db)
            found: Jobs = Jobs.select().where(Jobs.id == message.job_id).first(db)
        return found

    return changed


@pytest.fixture
def messages(database: Database, store: JobStore, change: Callable[..., Jobs]) -> list[JobMessage]:
    """The messages of four jobs that were sent a few leases ago, the oldest first."""
    sent = [database.transaction(lambda: store.add(CART, JobKind.RECALL)) for _ in range(4)]
    for age, message in enumerate(sent):
        change(message, next_send_at=database.clock() - 100 + age)
    return sent


def lost() -> int:
    """An empty queue."""
    return 0


def test_a_job_is_due_a_lease_after_it_was_added(database: Database, store: JobStore, unsent: UnsentJobStore) -> None:
    message = database.transaction(lambda: store.add(CART, JobKind.RECALL))
    assert unsent.take_due(10, lost) == []
    with database.session() as db:
        Jobs.update(next_send_at=1).execute(db)
    assert unsent.take_due(10, lost) == [message]
    assert unsent.take_due(10, lost) == []


def test_jobs_waiting_in_a_long_queue_are_not_resent(unsent: UnsentJobStore, messages: list[JobMessage]) -> None:
    for _ in range(3):
        assert unsent.take_due(10, lambda: len(messages)) == []
    assert unsent.take_due(10, lost) == messages


def test_the_oldest_jobs_are_resent_one_per_missing_message(unsent: UnsentJobStore, messages: list[JobMessage]) -> None:
    assert unsent.take_due(10, lambda: 3) == messages[:1]
    assert unsent.take_due(10, lambda: 2) == messages[1:3]
    assert unsent.take_due(3, lost) == messages[3:]


def test_a_held_job_counts_as_having_a_message_and_is_not_due(
    store: JobStore, unsent: UnsentJobStore, messages: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    assert store.claim(messages[0].job_id, 0) is not None
    change(messages[0], next_send_at=1)
    assert unsent.take_due(10, lambda: 4) == []
    assert unsent.take_due(10, lambda: 3) == messages[1:2]


def test_deferred_jobs_are_not_counted_like_their_delayed_messages(
    store: JobStore, unsent: UnsentJobStore, messages: list[JobMessage]
) -> None:
    job = store.claim(messages[3].job_id, 0)
    assert job is not None
    assert store.defer(job, 300, "tape")
    assert unsent.take_due(10, lambda: 3) == []
    assert unsent.take_due(10, lambda: 2) == messages[:1]


def test_a_parked_job_is_sent_when_due_however_long_the_queue_is(
    store: JobStore, unsent: UnsentJobStore, messages: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    job = store.claim(messages[3].job_id, 0)
    assert job is not None
    assert store.park(job, 300, "not urgent", window=job.window)
    assert unsent.take_due(10, lambda: 3) == []
    change(messages[3], next_send_at=1, due_at=1)
    [message] = unsent.take_due(10, lambda: 100)
    assert (message.job_id, message.token) == (job.id, job.token)
    assert unsent.take_due(10, lambda: 4) == []
    assert store.claim(message.job_id, message.token) is not None


def test_a_message_the_queue_refused_is_due_again_at_once(unsent: UnsentJobStore, messages: list[JobMessage]) -> None:
    for _ in range(8):
        assert unsent.take_due(10, lost) == messages
        unsent.mark_unsent(messages)
    assert unsent.take_due(10, lambda: 100) == messages


def test_a_wrong_message_count_delays_no_job_for_ever(
    database: Database, unsent: UnsentJobStore, messages: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    change(messages[2], next_send_at=database.clock() - ResendPolicy().overdue_leases * LEASE - 1)
    assert unsent.take_due(10, lambda: 10**6) == [messages[2]]


def test_leases_and_waits_end_soon_after_the_clock_is_set_back(
    database: Database, store: JobStore, unsent: UnsentJobStore, messages: list[JobMessage], change: Callable[..., Jobs]
) -> None:
    day = database.clock() + 86400
    held, waits = store.claim(messages[0].job_id, 0), store.claim(messages[1].job_id, 0)
    assert held is not None
    assert waits is not None
    change(messages[0], lease_until=day, next_send_at=day)
    assert store.defer(waits, 900, "the longest delay")
    assert [message.job_id for message in unsent.take_due(10, lost)] == [
        message.job_id for message in (messages[2], messages[3], messages[0])
    ]
    with pytest.raises(LeaseLost):
        store.fenced(held, lambda: None)
    assert store.claim(held.id, held.token) is not None


@pytest.mark.parametrize(("sends", "wait"), [(-1, 30), (0, 30), (1, 60), (4, 480), (5, 900), (50, 900), (2000, 900)])
def test_an_unclaimed_job_is_resent_with_growing_pauses(
    database: Database,
    unsent: UnsentJobStore,
    messages: list[JobMessage],
    change: Callable[..., Jobs],
    sends: int,
    wait: int,
) -> None:
    change(messages[0], next_send_at=1, sends=sends)
    assert messages[0] in unsent.take_due(10, lost)
    assert change(messages[0]).next_send_at - database.clock() == pytest.approx(wait, abs=5)
