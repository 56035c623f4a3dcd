"""The figures of the database: what is counted, what waits and for how long, on both databases."""

from __future__ import annotations

import threading

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.db.rights import rights_of
from chalicelib.db.states import WaitsFor
from chalicelib.errors import DatabaseUnavailable, QueueUnavailable
from chalicelib.health.figure_samples import FigureSamples
from chalicelib.metrics.definitions import METRICS
from chalicelib.metrics.sample import Source
from chalicelib.stores.figures import Figures, FigureStore
from chalicelib.stores.switches import Switch, SwitchStore
from chalicelib.stores.worker_states import WorkerStateStore
from tests.integration.posting import Posting

FILES = ("a.txt",)


def test_an_empty_service_has_no_work_and_nothing_that_waits(database: Database) -> None:
    figures = FigureStore(database).read()
    assert set(figures.carts.values()) == {0}
    assert (figures.oldest_unfinished, figures.nothing_ready, figures.oldest_due) == (0, 0, 0)
    assert (figures.jobs, figures.waits, figures.paused) == ({}, {}, frozenset())


def test_carts_and_their_jobs_are_counted_with_their_ages(database: Database) -> None:
    posting = Posting(database)
    database.transaction(lambda: [posting.post(uid, *FILES) for uid in ("old", "new", "waits")])
    with database.session() as db:
        Carts.update(used_at=database.now - 300, created_at=database.now - 300).where(Carts.uid == "old").execute(db)
        waits = {"waits_for": WaitsFor.ARCHIVE, "waits_since": database.now - 120, "due_at": database.now + 60}
        cart = Carts.select(Carts.id).where(Carts.uid == "waits")
        Jobs.update(**waits).where(Jobs.cart_id.in_(cart)).execute(db)
    figures = FigureStore(database).read()
    assert figures.carts["waiting"] == 3
    assert figures.oldest_unfinished == pytest.approx(300, abs=30)
    assert figures.nothing_ready == pytest.approx(300, abs=30)
    assert sum(figures.jobs.values()) == 3
    assert {state for _, state in figures.jobs} == {"due", "waiting"}
    assert {waits_for: wait.jobs for waits_for, wait in figures.waits.items()} == {"archive": 1, "worker": 2}
    assert figures.waits["archive"].longest == pytest.approx(120, abs=30)


def test_a_cart_that_became_ready_lately_shows_that_work_gets_done(database: Database) -> None:
    posting = Posting(database)
    database.transaction(lambda: [posting.post(uid, *FILES) for uid in ("old", "ready")])
    with database.session() as db:
        Carts.update(used_at=database.now - 300).where(Carts.uid == "old").execute(db)
        ready = {"state": "ready", "ended_at": database.now - 20}
        Carts.update(**ready).where(Carts.uid == "ready").execute(db)
    figures = FigureStore(database).read()
    assert figures.nothing_ready == pytest.approx(20, abs=15)
    assert (figures.carts["waiting"], figures.carts["ready"]) == (1, 1)


def test_workers_that_are_gone_are_not_counted_and_a_hung_one_is(database: Database) -> None:
    states = WorkerStateStore(database)
    for name in ("lives", "hangs", "drained"):
        states.started(name, "abc")
    states.seen("hangs", [7], "window job 7", 1000, 1 << 20, True)
    states.stopped("drained")
    figures = FigureStore(database).read()
    assert (figures.workers, figures.workers_hung) == (2, 1)


def test_a_pause_is_shown(database: Database) -> None:
    database.transaction(lambda: SwitchStore(database).pause(Switch.PULLING, "ops", "the archive moves"))
    assert FigureStore(database).read().paused == {"pulling"}


def test_every_metric_of_the_database_has_a_value_also_when_nothing_waits(database: Database) -> None:
    Posting(database).post("one", *FILES)
    samples = FigureSamples(FigureStore(database), lambda: 3, lambda: 1, database.close)()
    assert {one.metric for one in samples} == {metric for metric in METRICS if metric.source == Source.DATABASE}
    assert all(len(one.labels) == len(one.metric.labels) for one in samples)


def test_a_queue_that_is_down_costs_its_own_figures_only(database: Database) -> None:
    def down() -> int:
        raise QueueUnavailable("The queue failed (test).")

    samples = FigureSamples(FigureStore(database), down, down, database.close)()
    found = {one.metric.name.removeprefix("pacifica_cart_"): one.value for one in samples}
    assert (found["database_up"], found["queue_up"]) == (1, 0)
    assert "queue_messages" not in found


@pytest.mark.parametrize("process", ["api", "sweep"])
def test_processes_that_show_figures_may_read_their_tables(process: str) -> None:
    tables = ("carts", "jobs", "windows", "recalls", "volume", "workers", "switches", "notifications", "cart_history")
    assert {(table, "SELECT") for table in tables} <= rights_of(process)


def test_a_job_that_is_due_waits_for_a_worker_whatever_it_waited_for_before(database: Database) -> None:
    Posting(database).post("due", *FILES)
    with database.session() as db:
        waited = {"waits_for": WaitsFor.ARCHIVE, "waits_since": database.now - 900, "due_at": database.now - 90}
        Jobs.update(**waited).execute(db)
    waits = FigureStore(database).read().waits
    assert list(waits) == ["worker"]
    assert waits["worker"].longest == pytest.approx(90, abs=30)


class HangingFigures(FigureStore):
    """Of a database that hangs until the test ends."""

    def __init__(self, database: Database, end: threading.Event) -> None:
        super().__init__(database)
        self.end = end

    def read(self) -> Figures:
        self.end.wait()
        raise DatabaseUnavailable("it hung")


def test_a_database_that_hangs_is_down_before_a_scrape_gives_up(database: Database) -> None:
    end = threading.Event()
    figures = HangingFigures(database, end)
    samples = FigureSamples(figures, lambda: 3, lambda: 1, database.close, within=0.01)
    try:
        found = {sample.metric.name: sample.value for sample in samples()}
    finally:
        end.set()
    assert (found["pacifica_cart_database_up"], found["pacifica_cart_queue_messages"]) == (0, 3)
