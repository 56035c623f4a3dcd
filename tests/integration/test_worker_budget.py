"""SQL statements, queue messages and archive requests of a cart with a thousand entries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import peewee
import pytest

from chalicelib.aws.sqs_queue import SqsQueue
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, assert_volume_consistent, generated, manifest

FILES = generated(1000, 100)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Statements of jobs and of `post`, with BEGIN and COMMIT; without heartbeats and the test's own thread."""
    executed: list[str] = []

    def record(owner: type, name: str, statement: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread().name.startswith(("job", "test")):
                executed.append(statement(*args))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    record(peewee.Database, "execute_sql", lambda sql, *_: sql)
    for owner in (peewee.SqliteDatabase, peewee.MySQLDatabase):
        record(owner, "begin", lambda *_: "BEGIN")
    for name in ("commit", "rollback"):
        record(peewee.Database, name, lambda *_, name=name: name.upper())
    return executed


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Messages sent from here on."""
    sent: list[object] = []
    original = SqsQueue.send

    def send(self: SqsQueue, batch: Any, delay: float = 0) -> None:
        sent.extend(batch)
        original(self, batch, delay)

    monkeypatch.setattr(SqsQueue, "send", send)
    return sent


@pytest.mark.parametrize("hash_name", ["sha1", ""])
def test_a_thousand_entries_cost_53_statements_five_messages_and_two_requests_per_file(
    site_of: Callable[..., Site], statements: list[str], messages: list[object], hash_name: str
) -> None:
    # On a busy machine the cart must not call assistants, as it would for a slow archive, or ask whether others wait.
    site = site_of({"sharing": {"worth": 60.0}, "staging": {"record_every": 60.0}, "slices": {"length": 60.0}})
    site.start_worker()
    post(site, "many", manifest(FILES, hash_name))
    assert_ready(site, "many", FILES)
    own = [sql for sql in statements if "switches" not in sql]  # read every few seconds, for all carts
    assert len(own) <= 53, "\n".join(sql[:100] for sql in own)
    assert len(messages) <= 5
    totals = site.simulator.stats()["totals"]
    assert totals["heads"] + totals["gets"] <= 2 * len(FILES)
    assert totals["recalls"] == 0
    assert_volume_consistent(site)


def test_a_second_cart_of_the_same_files_sends_no_request_to_the_archive(site: Site) -> None:
    site.start_worker()
    site.system.service.create(ANYONE, "first", manifest(FILES))
    site.wait("first")
    site.simulator.reset()
    site.system.service.create(ANYONE, "second", manifest(FILES))
    assert_ready(site, "second", FILES)
    assert site.simulator.stats()["totals"] == {"heads": 0, "recalls": 0, "gets": 0, "bytes": 0}


def post(site: Site, uid: str, body: bytes) -> None:
    """Post the cart from a thread whose statements are counted."""
    thread = threading.Thread(target=site.system.service.create, args=[ANYONE, uid, body], name="test-post")
    thread.start()
    thread.join()
