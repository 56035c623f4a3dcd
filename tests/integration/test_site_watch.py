"""The sweep says in its log that work waits while no worker is there, and notes that it ran."""

from __future__ import annotations

import pytest

from chalicelib.db.database import Database
from chalicelib.stores.figures import FigureStore
from chalicelib.stores.sweep_times import SweepTimes
from chalicelib.stores.worker_states import WorkerStateStore
from chalicelib.sweep.site_watch import SiteWatch
from tests.integration.aging import HOUR, age
from tests.integration.posting import Posting


def test_work_without_a_worker_is_a_warning(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    watch = SiteWatch(FigureStore(database), SweepTimes(database), patience=60)
    Posting(database).post("a", 1)
    assert watch.run() == 0, "it is due for a moment only"
    age(database, HOUR)
    assert watch.run() == 1
    assert "no worker is there, and a job has been due for 36" in caplog.text
    WorkerStateStore(database).started("w1", "")
    assert watch.run() == 0
    assert database.clock() - (SweepTimes(database).last() or 0) < 60
