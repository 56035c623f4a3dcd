"""What a cart of a thousand entries costs: SQL statements, queue messages, archive requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import peewee
import pytest

from chalicelib.aws.job_queue import JobQueue
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, assert_volume_exact, generated, manifest

FILES = generated(1000, 100)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of jobs and posts from here on, BEGIN and COMMIT too; no heartbeats, none of this thread's."""
    said: list[str] = []

    def listen(owner: type, name: str, told: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread().name.startswith(("job", "test")):
                said.append(told(*args))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    listen(peewee.Database, "execute_sql", lambda sql, *_: sql)
    for owner in (peewee.SqliteDatabase, peewee.MySQLDatabase):
        listen(owner, "begin", lambda *_: "BEGIN")
    for name in ("commit", "rollback"):
        listen(peewee.Database, name, lambda *_, name=name: name.upper())
    return said


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every message sent from here on."""
    sent: list[object] = []
    original = JobQueue.send

    def send(self: JobQueue, hints: Any, delay: float = 0) -> None:
        sent.extend(hints)
        original(self, hints, delay)

    monkeypatch.setattr(JobQueue, "send", send)
    return sent


@pytest.mark.parametrize("hash_name", ["sha1", ""])
def test_a_thousand_entries_cost_forty_statements_five_messages_and_two_requests_a_file(
    site_of: Callable[..., Site], statements: list[str], messages: list[object], hash_name: str
) -> None:
    # Where this runs beside much else, it must not be taken for a slow archive.
    site = site_of({"sharing": {"worth": 60.0}, "staging": {"record_every": 60.0}})
    site.start_worker()
    post(site, "many", manifest(FILES, hash_name))
    assert_ready(site, "many", FILES)
    assert len(statements) <= 40, "\n".join(sql[:100] for sql in statements)
    assert len(messages) <= 5
    totals = site.simulator.stats()["totals"]
    assert totals["heads"] + totals["gets"] <= 2 * len(FILES)
    assert totals["recalls"] == 0
    assert_volume_exact(site)


def test_a_second_cart_of_the_same_files_asks_the_archive_for_nothing(site: Site) -> None:
    site.start_worker()
    site.system.service.create("", "first", manifest(FILES))
    site.wait("first")
    site.simulator.reset()
    site.system.service.create("", "second", manifest(FILES))
    assert_ready(site, "second", FILES)
    assert site.simulator.stats()["totals"] == {"heads": 0, "recalls": 0, "gets": 0, "bytes": 0}


def post(site: Site, uid: str, body: bytes) -> None:
    """Post from a thread of its own, whose statements count."""
    thread = threading.Thread(target=site.system.service.create, args=["", uid, body], name="test-post")
    thread.start()
    thread.join()
