"""On SQLite, the writes of a process queue: none has to poll for a lock that others take in turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database, execute
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore

WRITES: list[Callable[[JobStore, Job], object]] = [
    lambda jobs, job: jobs.renew([job]),
    lambda jobs, job: jobs.requeue(job),
    lambda jobs, job: jobs.defer(job, 1),
    lambda jobs, job: jobs.fail_attempt(job, 1, "failed"),
]


@pytest.mark.parametrize("write", WRITES, ids=["renew", "requeue", "defer", "fail_attempt"])
def test_what_workers_write_about_a_job_waits_for_its_turn(
    tmp_path: Path, write: Callable[[JobStore, Job], object]
) -> None:
    database = Database(load({"SQLITE_PATH": str(tmp_path / "cart.db")}))
    schema.sync(database)
    jobs = JobStore(database, 30)
    message = database.transaction(lambda: jobs.add(1, JobKind.WINDOW))
    job = jobs.claim(message.job_id, 0)
    assert job is not None
    began = threading.Event()
    written = list[object]()

    def write_without_polling() -> None:
        with database.session() as db:
            execute(db, "PRAGMA busy_timeout = 0")
        began.wait(20)
        written.append(write(jobs, job))
        database.close()

    writer = threading.Thread(target=write_without_polling)
    writer.start()

    def hold() -> None:
        began.set()
        writer.join(0.2)

    database.transaction(hold)
    writer.join(20)
    assert len(written) == 1
    database.close()
