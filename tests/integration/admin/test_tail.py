"""`tail`: prints what happens to a cart until it ends, and its exit code says how."""

from __future__ import annotations

import json

import pytest

from chalicelib.admin.tail import Follower, follow
from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from tests.integration.admin.carts import add_cart, add_job, add_ready_cart, delete, fail
from tests.integration.admin.conftest import ON_SQLITE, Run


def test_each_change_is_a_line_until_the_cart_has_ended(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    cart = add_cart(database, "one")
    job = add_job(database, cart)

    def stage(_: float) -> None:
        with database.session() as db:
            Carts.update(files_staged=1, bytes_staged=1000, bytes_total=2000).where(Carts.id == cart).execute(db)

    def wait(_: float) -> None:
        add_job(database, cart, waits_for="tape", wait_reason="1 files are on tape")
        with database.session() as db:
            Jobs.delete().where(Jobs.id == job).execute(db)

    def nothing(_: float) -> None:
        pass

    def end(_: float) -> None:
        fail(database, cart, "no such file")

    steps = iter([stage, wait, nothing, end])
    last = follow(Follower(database, cart), 0.0, True, lambda seconds: next(steps)(seconds))
    assert last is not None
    assert last.state == "error"
    news = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    said = [one.get("event") or one.get("files_staged", one.get("waits_for")) for one in news]
    assert said == ["posted", "staging", 0, "worker", 1, "tape", "error"]
    assert news[-1]["cause"] == "no such file"


@ON_SQLITE
def test_a_cart_that_failed_is_3_and_so_is_one_that_is_gone(run: Run, database: Database) -> None:
    failed, gone = add_cart(database, "one"), add_cart(database, "two")
    fail(database, failed, "no such file")
    delete(database, gone)
    done = run("tail", "one")
    assert (done.code, "error: no such file (worker-1)" in done.out) == (3, True)
    assert run("tail", "two", "--all").code == 3


@ON_SQLITE
def test_a_cart_that_is_ready_is_0(run: Run, database: Database) -> None:
    add_ready_cart(database, "one")
    assert run("tail", "one").code == 0
