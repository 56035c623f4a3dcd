"""Each change of a cart's state is one line of the log once it is committed; and the history stays short."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.config.log_context import logged_with
from chalicelib.config.log_formats import JsonLines
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.db.operating_models import CartHistory
from chalicelib.start_line import log_start
from chalicelib.stores.cart_history import FIRST, MOST, CartEvent, CartHistoryStore
from tests.callers import caller
from tests.integration.posting import Posting

LAYOUT = {"part_size": 5, "bytes_total": 3_400_000_000, "windows_total": 1, "bundle_size": 0, "upload_id": ""}


class Lines(logging.Handler):
    """What a process with LOG_FORMAT=json prints."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    handler, logger = Lines(), logging.getLogger("chalicelib.stores.cart_log")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.seen
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_cart_tells_its_life_in_lines(database: Database, lines: list[dict[str, Any]]) -> None:
    posting = Posting(database)
    with logged_with(request="5f3c"):
        posting.service.create(caller("ann"), "run-7", b'{"fileids": [{"id": 1, "path": "a"}]}')
    cart = posting.carts.find("ann", "run-7")
    posting.carts.begin_staging(cart.id)
    database.transaction(lambda: posting.carts.record_layout(cart, **LAYOUT))
    laid_out = posting.carts.get(cart.id)
    database.transaction(lambda: posting.carts.count_window_staged(laid_out, 1, 3_400_000_000))
    database.transaction(lambda: posting.carts.mark_ready(laid_out, 3_400_003_584, "e", "c"))
    assert [line["state"] for line in lines] == ["posted", "staging", "bundling", "ready"]
    for line in lines:
        carried = {"uid": "run-7", "owner": "ann", "cart": cart.id, "request": "5f3c", "files": 1, "level": "INFO"}
        assert line.items() >= carried.items()
    posted, *_, ready = lines
    assert posted["message"] == f"cart {cart.id} is posted: 1 file"
    assert ready["message"].startswith(f"cart {cart.id} is ready: 1 file, 3.4 GB in ")
    assert ready["message"].endswith("0 s (waited 0 s, staging 0 s, bundling 0 s)")
    assert ready["bytes"] == 3_400_003_584
    assert 0 <= ready["seconds"] < 60


def test_a_failed_cart_says_why(database: Database, lines: list[dict[str, Any]]) -> None:
    posting = Posting(database)
    posting.post("a", 1)
    cart = posting.carts.find("", "a")
    database.transaction(lambda: posting.endings.fail(cart.id, "the archive has no file 7"))
    assert lines[-1]["message"].startswith(f"cart {cart.id} is in error: 1 file in ")
    assert lines[-1]["message"].endswith(": the archive has no file 7")
    assert (lines[-1]["cause"], lines[-1]["state"]) == ("the archive has no file 7", "error")


def test_what_is_rolled_back_is_not_logged_and_what_is_repeated_is_logged_once(
    database: Database, lines: list[dict[str, Any]]
) -> None:
    posting = Posting(database)
    posting.post("a", 1)
    cart = posting.carts.find("", "a")
    lines.clear()

    def fails() -> None:
        posting.carts.fail(cart.id, "m")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.transaction(fails)
    assert lines == []

    seen_within: list[int] = []

    def inner() -> None:
        posting.carts.begin_staging(cart.id)  # a transaction within the transaction
        seen_within.append(len(lines))

    database.transaction(inner)
    assert seen_within == [0], "a line before its commit"
    assert [line["state"] for line in lines] == ["staging"]


def test_a_cart_that_starts_over_again_and_again_keeps_its_first_and_last_rows(database: Database) -> None:
    histories = CartHistoryStore(database, "w1")
    database.transaction(lambda: histories.record(8, CartEvent.POSTED))

    def record(first: int, count: int) -> None:
        for number in range(first, first + count):
            histories.record(7, CartEvent.LAYOUT_VOIDED, str(number))

    database.transaction(lambda: record(0, 3 * MOST))
    with database.session() as db:
        assert CartHistory.select().where(CartHistory.cart_id == 7).count(db) <= MOST
    kept = [int(row.cause) for row in histories.of_cart(7)]
    assert kept[:FIRST] == list(range(FIRST))
    assert kept[-100:] == list(range(3 * MOST - 100, 3 * MOST))
    assert {row.process for row in histories.of_cart(7)} == {"w1"}
    assert len(histories.of_cart(8)) == 1


def test_a_process_says_at_its_start_what_it_is_and_which_variables_it_does_not_know(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load({"MYSQL_PASSWORD": "hush", "CART_REVISION": "1f2e3d", "JOB_CONCURRENCY": "9"})
    with caplog.at_level(logging.INFO, "chalicelib.start_line"):
        log_start("worker-1", settings, database, {"JOB_CONCURENCY": "9", "PATH": "/bin"})
    start, warning = [record for record in caplog.records if record.name == "chalicelib.start_line"]
    version = max(schema.available())
    assert start.getMessage().startswith("worker-1 starts: revision 1f2e3d, Python 3.")
    assert f"tables at version {version}, code for version {version}, Settings(" in start.getMessage()
    assert "job_concurrency=9" in start.getMessage()
    assert "hush" not in start.getMessage()
    assert warning.getMessage().startswith("JOB_CONCURENCY: did you mean JOB_CONCURRENCY?")
