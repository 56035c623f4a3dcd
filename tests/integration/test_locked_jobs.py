"""Jobs whose rows another connection has locked, and does not let go: nobody waits for them, and no claim is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.job_message import JobMessage
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.turns import Turn

LEASE = 30.0


@pytest.fixture
def lock(mysql_database: Database) -> Iterator[Callable[[JobMessage], None]]:
    """Locks a job's row until the test's end, as a worker does that stands still in a transaction."""
    connecting: Any = mysql_database.peewee
    connection = connecting._connect()
    connection.begin()

    def locking(message: JobMessage) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM jobs WHERE id = %s FOR UPDATE", (message.job_id,))

    yield locking
    connection.close()


@pytest.fixture
def add(mysql_database: Database) -> Callable[[int], JobMessage]:
    jobs = JobStore(mysql_database, LEASE)
    return lambda cart_id: mysql_database.transaction(lambda: jobs.add(cart_id, JobKind.WINDOW))


def test_who_looks_for_due_jobs_leaves_a_locked_one_out(
    mysql_database: Database, add: Callable[[int], JobMessage], lock: Callable[[JobMessage], None]
) -> None:
    locked, free = add(1), add(2)
    with mysql_database.session() as db:
        Jobs.update(ready=0).execute(db)
    lock(locked)
    assert [claim.job_id for claim in DueJobStore(mysql_database, LEASE).next(Turn())] == [free.job_id]


def test_a_claim_does_not_wait_for_other_jobs_of_its_cart(
    mysql_database: Database, add: Callable[[int], JobMessage], lock: Callable[[JobMessage], None]
) -> None:
    locked, free = add(1), add(1)
    lock(locked)
    assert JobStore(mysql_database, LEASE).claim(free.job_id, 0) is not None
