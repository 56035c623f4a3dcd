"""Statements that are built once: the values of each run are its own, and each dialect has its own text."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.settings import load
from chalicelib.db import mysql, schema
from chalicelib.db.database import Database, execute
from chalicelib.db.models import Jobs
from chalicelib.db.statement import Statement, slot


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(load({"SQLITE_PATH": str(tmp_path / "cart.db")}))
    schema.sync(made)
    yield made
    made.close()


def test_each_run_has_its_own_values(database: Database) -> None:
    builds: list[bool] = []

    def build(database: Database) -> object:
        builds.append(database.is_mysql)
        return Jobs.update(token=slot("token")).where(Jobs.id == slot("id"), Jobs.window.in_((1, 2)))

    statement = Statement(build)
    with database.session() as db:
        for number in (1, 2):
            Jobs.insert(id=number, cart_id=1, kind="window", window=number, next_send_at=0, progress_at=0).execute(db)
        changed = [statement.run(database, id=number, token=10 * number).rowcount for number in (1, 2, 3)]
        found = execute(db, "SELECT id, token FROM jobs ORDER BY id").fetchall()
    assert (changed, found, builds) == ([1, 1, 0], [(1, 10), (2, 20)], [False])


def test_a_text_of_another_dialect_is_built_for_it(database: Database) -> None:
    statement = Statement(lambda _: Jobs.delete().where(Jobs.id == slot("id")))
    other = Database(load({"MYSQL_HOST": "db.example"}))
    assert [statement.text(of) for of in (database, other)] == [
        'DELETE FROM "jobs" WHERE ("jobs"."id" = ?)',
        "DELETE FROM `jobs` WHERE (`jobs`.`id` = %s)",
    ]


def test_threads_take_turns_to_write_where_the_file_would_be_locked(database: Database) -> None:
    """Without its own patience (busy_timeout), SQLite refuses a second writer at once."""
    holds, ends, tries, order = threading.Event(), threading.Event(), threading.Semaphore(0), list[str]()

    def first() -> None:
        holds.set()
        assert ends.wait(30)
        order.append("first")

    def other(name: str) -> None:
        with database.session() as db:
            execute(db, "PRAGMA busy_timeout = 0")
        tries.release()
        if name == "transaction":
            database.transaction(lambda: order.append(name))
        else:
            with database.writing() as db:
                execute(db, "UPDATE jobs SET token = 1")
                order.append(name)
        database.close()

    threads = [threading.Thread(target=lambda: database.transaction(first))]
    threads[0].start()
    assert holds.wait(30)
    threads += [threading.Thread(target=other, args=[name]) for name in ("transaction", "writing")]
    for thread in threads[1:]:
        thread.start()
    assert all(tries.acquire(timeout=30) for _ in threads[1:])
    assert not ends.wait(0.1)
    ends.set()
    for thread in threads:
        thread.join(30)
    assert order[0] == "first"
    assert sorted(order) == ["first", "transaction", "writing"]


def test_connections_share_one_context_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL alone makes one for each connection, which reads all certificate authorities of the machine."""
    first = _context()
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("a context was made"))
    assert _context() is first


def _context() -> Any:
    return vars(mysql.Connection(defer_connect=True))["ctx"]
