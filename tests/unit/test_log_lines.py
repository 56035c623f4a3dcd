"""What a log line carries, as text and as JSON: the fields of its work, in each thread, and no secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.log_context import current_request, is_request_id, logged_fields, logged_with
from chalicelib.config.log_formats import JsonLines, TextLines
from chalicelib.config.redaction import RedactedRecord
from workers.runtime.parallel import parallel_map

ROOT = Path(__file__).parents[2]
SIGNED = "https://store/b/1.tar?X-Amz-Signature=hush0123"
NAME = "chalicelib.service"


def record(message: str, *arguments: object, **extra: Any) -> logging.LogRecord:
    made = RedactedRecord(NAME, logging.INFO, "service.py", 7, message, arguments, None)
    made.__dict__.update(extra)
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(JsonLines().format(made))
    return found


def test_a_line_of_text_ends_with_the_fields_of_its_work() -> None:
    with logged_with(uid="run-7", cart=7, job=12, owner="", request="abc"):
        line = TextLines().format(record("%d files", 3))
    assert line.endswith(" INFO MainThread chalicelib.service 3 files uid=run-7 cart=7 job=12 request=abc")


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        ("https://issuer/#ada", '"https://issuer/#ada"'),
        ("ada@example.org", "ada@example.org"),
        ("a\nERROR x uid=y", '"a\\nERROR x uid=y"'),
    ],
)
def test_a_value_in_text_is_one_word_or_quoted(owner: str, shown: str) -> None:
    with logged_with(owner=owner):
        assert TextLines().format(record("it")).endswith(f" it owner={shown}")


def test_a_line_of_json_has_the_fields_of_its_work_and_what_the_call_adds() -> None:
    with logged_with(uid="run-7", cart=7):
        line = as_json(record("it is ready", seconds=81.5, bytes=3_400_000_000, state="ready"))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": NAME,
        "thread": "MainThread",
        "message": "it is ready",
        "uid": "run-7",
        "cart": 7,
        "seconds": 81.5,
        "bytes": 3_400_000_000,
        "state": "ready",
    }


def test_fields_end_with_their_work_and_inner_ones_are_added() -> None:
    with logged_with(uid="a", request="r"):
        with logged_with(cart=1, uid="b"):
            assert logged_fields() == {"uid": "b", "request": "r", "cart": 1}
            assert current_request() == "r"
        assert logged_fields() == {"uid": "a", "request": "r"}
    assert not logged_fields()
    assert current_request() == ""


def test_fields_follow_the_work_into_a_pool_and_do_not_stay_there() -> None:
    def seen(item: int) -> tuple[int, object]:
        return item, logged_fields().get("cart")

    with ThreadPoolExecutor(1) as pool:
        with logged_with(cart=7):
            of_seven = parallel_map(pool, seen, range(3), 2)
            assert sorted(of_seven) == [(0, 7), (1, 7), (2, 7)]
        with logged_with(cart=8):
            assert list(parallel_map(pool, seen, range(1), 2)) == [(0, 8)]
        assert list(parallel_map(pool, seen, range(1), 2)) == [(0, None)]


@pytest.mark.parametrize(
    "extra",
    [
        {"url": SIGNED},
        {"headers": {"Authorization": "Bearer hush0123", "Accept": "*/*"}},
        {"password": "hush0123"},
        {"token": "hush0123"},
        {"tries": [{"deep": (SIGNED,)}]},
        {"error": ValueError(f"no answer from {SIGNED}")},
    ],
)
def test_what_gives_access_is_hidden_in_the_fields_that_a_call_adds(extra: dict[str, Any]) -> None:
    line = JsonLines().format(record("it", **extra))
    assert "hush" not in line
    assert "***" in line
    assert json.loads(line)["message"] == "it"


def test_what_gives_access_is_hidden_in_the_fields_of_the_work() -> None:
    with logged_with(owner=f"a{SIGNED}"):
        assert "hush" not in TextLines().format(record("it")) + JsonLines().format(record("it"))


def test_numbers_stay_numbers_and_names_that_only_look_secret_stay() -> None:
    line = as_json(record("it", tokens=3, bytes=0, none=None, is_ready=True, secrets_read=["a", 1]))
    assert (line["tokens"], line["bytes"], line["none"], line["is_ready"]) == (3, 0, None, True)
    assert line["secrets_read"] == ["a", 1]


PROGRAM = f"""
import logging, sys
from chalicelib.config import logs
from chalicelib.config.log_context import logged_with
logs.configure("INFO", sys.argv[1])
log = logging.getLogger("chalicelib.service")
with logged_with(uid="run-7", cart=7):
    try:
        raise ValueError("no answer from {SIGNED}")
    except ValueError:
        log.exception("it failed", extra={{"seconds": 2}}, stack_info=True)
log.debug("nobody reads this")
logs.configure("INFO", sys.argv[1])
log.info("once")
"""


def printed(log_format: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, log_format], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == ""
    return ran.stderr


def test_a_process_with_json_prints_one_object_a_line_tracebacks_included() -> None:
    failed, once = map(json.loads, printed("json").splitlines())
    assert (failed["level"], failed["uid"], failed["cart"], failed["seconds"]) == ("ERROR", "run-7", 7, 2)
    assert "ValueError: no answer from https://store/b/1.tar?X-Amz-Signature=***" in failed["exc_info"]
    assert "hush" not in failed["exc_info"].replace(f'raise ValueError("no answer from {SIGNED}")', "")
    assert (once["message"], "uid" in once) == ("once", False)


def test_a_process_with_text_prints_lines_for_people() -> None:
    lines = printed("text").splitlines()
    assert lines[0].endswith(" ERROR MainThread chalicelib.service it failed uid=run-7 cart=7")
    assert "ValueError: no answer from https://store/b/1.tar?X-Amz-Signature=***" in lines
    assert lines[-1].endswith(" INFO MainThread chalicelib.service once")


@pytest.mark.parametrize("text", ["", "a b", "a\r\nX: y", "ä", "a" * 65, None, 7, "a/b"])
def test_what_is_no_id_of_a_request_is_not_taken_for_one(text: object) -> None:
    assert not is_request_id(text)
    assert is_request_id("5f3c-Aa_0.9")


def test_what_anybody_says_neither_ends_a_line_nor_steers_a_terminal() -> None:
    sent = "a\n\x1b[31m\u2028b\u0085c\x9b31m\u202ed\ud800"
    record = logging.LogRecord("api", logging.INFO, "", 0, "%s", (sent,), None)
    with logged_with(uid=sent):
        line = JsonLines().format(record)
        assert TextLines().format(record).isprintable()
    assert line.isprintable()
    assert json.loads(line)["uid"] == json.loads(line)["message"] == sent
