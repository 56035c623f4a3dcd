"""`status` and `queue`: one screen says how the site is, and 3 that somebody should look."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from chalicelib.admin.site_status import StatusPolicy, gather, problems_of
from chalicelib.config.settings import load
from chalicelib.db.database import Database
from chalicelib.db.operating_models import CartHistory, Workers
from chalicelib.errors import QueueUnavailable
from chalicelib.stores.sweep_times import SweepTimes
from chalicelib.stores.switches import Switch, SwitchStore
from chalicelib.stores.worker_states import WorkerStateStore
from tests.integration.admin.carts import add_cart, add_job, hold
from tests.integration.admin.conftest import ON_SQLITE, Run
from tests.integration.aging import HOUR, age
from tests.integration.conftest import KEYS


@dataclass
class Queues:
    """The queues of this test, on moto."""

    client: Any
    dead: str

    def dead_letter(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.dead, MessageBody=body)

    def letters(self) -> int:
        return len(self.client.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", []))


@pytest.fixture
def queues(aws: str, monkeypatch: pytest.MonkeyPatch) -> Queues:
    name = f"jobs-{uuid.uuid4().hex[:12]}"
    for variable, value in {**KEYS, "AWS_ENDPOINT_URL_SQS": aws, "JOB_QUEUE": name}.items():
        monkeypatch.setenv(variable, value)
    client: Any = boto3.client("sqs")
    client.create_queue(QueueName=name)
    return Queues(client, client.create_queue(QueueName=f"{name}-dead")["QueueUrl"])


def add_worker(database: Database, name: str = "w1", **columns: Any) -> None:
    store = WorkerStateStore(database)
    store.started(name, "2.4.0")
    store.seen(name, [1], "pulls a1", 2.0, 1 << 20, False)
    if columns:
        with database.session() as db:
            Workers.update(columns).where(Workers.name == name).execute(db)


@ON_SQLITE
def test_a_site_without_work_is_well(run: Run, queues: Queues) -> None:
    done = run("status")
    assert (done.code, "problem" in done.out) == (0, False)
    assert run("status", "--json").json["problems"] == []


def test_one_screen_says_what_waits_for_what(run: Run, database: Database, queues: Queues) -> None:
    later: dict[str, Any] = {"due_at": database.clock() + 2 * HOUR}
    add_job(database, add_cart(database, "first"), waits_for="tape", wait_reason="9 files are on tape", **later)
    age(database, HOUR)
    hold(database, add_job(database, add_cart(database, "second")))
    add_worker(database)
    SweepTimes(database).note()
    database.transaction(lambda: SwitchStore(database).pause(Switch.PULLING, "operator:eve", "new robot"))
    done = run("status")
    assert done.code == 0
    for words in (
        "2 staging",
        "first of ann: posted 60 min ago, tape, 60 min",
        "9 files are on tape",
        "1 window job in work",
        "1 window job waiting for tape, for 60 min",
        ": 1 job; pulls a1",
        ", by operator:eve: new robot",
        "0 dead letters",
    ):
        assert words in done.out
    assert len(done.out.splitlines()) < 24
    found = run("status", "--json").json
    assert (found["carts"], found["oldest_unfinished"]["uid"]) == ({"staging": 2}, "first")


@ON_SQLITE
@pytest.mark.parametrize(
    ("worker", "job", "problem"),
    [
        (None, {}, "1 unfinished cart, and no worker was seen for 60 s"),
        ({"stopped_at": 1.0}, {}, "no worker was seen"),
        ({"hung": 1}, {}, "the worker w1 hangs in: pulls a1"),
        ({}, {"waits_for": "archive", "waits_since": 1e9}, "1 window job waiting for archive, for"),
    ],
)
def test_what_needs_a_person_is_a_problem(
    run: Run, database: Database, queues: Queues, worker: dict[str, Any] | None, job: dict[str, Any], problem: str
) -> None:
    add_job(database, add_cart(database, "one"), **job)
    if worker is not None:
        add_worker(database, **worker)
    SweepTimes(database).note()
    done = run("status")
    assert done.code == 3
    assert problem in done.out
    assert problem in run("status", "--json").json["problems"][0]


@ON_SQLITE
def test_a_sweep_that_does_not_run_is_a_problem(run: Run, database: Database, queues: Queues) -> None:
    add_job(database, add_cart(database, "one"))
    add_worker(database)
    assert run("status", "--json").json["problems"][0].startswith("the sweep has never run")
    times = SweepTimes(database)
    for _ in range(3):
        times.note()  # in one row
    assert (run("status").code, CartHistory.select().where(CartHistory.cart_id == 0).count(database.peewee)) == (0, 1)
    with database.session() as db:
        CartHistory.update(at=CartHistory.at - 200).where(CartHistory.cart_id == 0).execute(db)
    assert "problem: the sweep last ran 3 min ago" in run("status").out


@ON_SQLITE
def test_dead_letters_are_shown_with_their_cause_and_left_to_the_sweep(
    run: Run, database: Database, queues: Queues
) -> None:
    cart = add_cart(database, "one")
    job = add_job(database, cart, last_error="MemoryError: no room", attempts=4)
    queues.dead_letter(json.dumps({"v": 1, "job": job, "token": 0}))
    queues.dead_letter(json.dumps({"v": 1, "job": 999, "token": 0}))
    queues.dead_letter("nonsense")
    done = run("queue", "--json")
    assert done.code == 3
    causes = {letter["job"]: letter["cause"] for letter in done.json["dead_letters"]}
    assert causes == {
        job: "MemoryError: no room",
        999: "the job is over",
        None: "not a message of this release: nonsense",
    }
    assert (done.json["jobs"]["held"], done.json["jobs"]["due"]) == (0, 1)
    assert "MemoryError: no room" in run("queue").out
    assert queues.letters() == 3
    assert run("status").code == 3


@ON_SQLITE
def test_a_queue_that_is_not_there_is_said_at_once(run: Run, queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_QUEUE", "no-such-queue")
    done = run("status")
    assert done.code == 3
    assert "problem: The queue no-such-queue refused" in done.out
    assert run("queue").code == 1


@ON_SQLITE
def test_a_queue_that_hangs_does_not_hold_up_the_figures(
    database: Database, database_variables: dict[str, str]
) -> None:
    def hanging() -> Any:
        time.sleep(30)
        raise QueueUnavailable

    found = gather(load(database_variables), database, hanging, StatusPolicy(queue=0.1))
    assert problems_of(found) == ["the queue did not answer within 0.1 s"]


@ON_SQLITE
def test_where_the_jobs_table_is_the_queue_commands_say_so(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_QUEUE", "database")
    add_job(database, add_cart(database, "first"))
    assert "queue    the jobs table\n" in run("status").out
    assert "the jobs table: there are no messages" in run("queue").out
    shown = run("queue", "--json").json
    assert (shown["queue"], shown["dead_letters"], shown["jobs"]["due"]) == (None, [], 1)
    assert "no dead letters" in run("queue", "redrive").out
