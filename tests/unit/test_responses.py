"""Responses: both headers on HEAD, no body on HEAD and 204, header values that no text can break."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import responses
from chalicelib.cart_views import CartStatus
from chalicelib.stores.cart_history import Happened
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.progress import Counts, FilePage

NUMBERS = {
    "id": 1,
    "files_total": 4,
    "files_staged": 3,
    "bytes_total": 40,
    "bytes_staged": 30,
    "bundle_size": 100,
    "bundle_bytes": 50,
}


def cart(state: str, message: str = "") -> Cart:
    fields = dict.fromkeys((field.name for field in dataclasses.fields(Cart)), 0)
    texts: dict[str, Any] = {"uid": "u", "state": state, "message": message, "root": "u", "digest": "", "upload_id": ""}
    return Cart(**fields | NUMBERS | texts)


@pytest.mark.parametrize(
    ("state", "status"), [("waiting", 202), ("staging", 202), ("bundling", 202), ("ready", 204), ("error", 500)]
)
def test_each_state_has_its_status_and_both_headers(state: str, status: int) -> None:
    answer = responses.state(cart(state, "why"))
    assert (answer.status_code, answer.body) == (status, "")
    assert answer.headers["X-Pacifica-Status"] == state
    assert answer.headers["X-Pacifica-Message"] == ("why" if state == "error" else "")
    assert ("Retry-After" in answer.headers) == (status == 202)


def test_progress_is_done_and_total() -> None:
    progress = responses.state(cart("staging")).headers["X-Pacifica-Progress"]
    assert progress == "files=3/4; bytes=30/40; bundled=50/100"


def test_a_failure_is_json_and_on_head_two_headers() -> None:
    answer = responses.failure("GET", 404, "no\nsuch cart")
    assert json.loads(answer.body) == {"status": "error", "message": "no\nsuch cart"}
    head = responses.failure("HEAD", 404, "no\nsuch cart")
    assert head.body == ""
    assert (head.headers["X-Pacifica-Status"], head.headers["X-Pacifica-Message"]) == ("error", "no such cart")


@pytest.mark.parametrize(("status", "again"), [(503, True), (500, False), (404, False)])
def test_only_503_asks_for_a_retry(status: int, again: bool) -> None:
    for method in ("GET", "HEAD"):
        assert ("Retry-After" in responses.failure(method, status, "m").headers) == again


NOT_READY = "The cart is not ready for download."


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/plain", "application/x-tar, */*;q=0.5", "application/json;q=0", "text/html;q=0.1, */*", "text/*",
     "application/json;q=nan", "application/json;q=2", "application/json;q=", "application/jsonx", ";;,,q=1"],
)  # fmt: skip
def test_get_of_an_unfinished_cart_has_no_body_that_could_begin_a_tar(accept: str) -> None:
    answer = responses.not_ready(cart("staging"), accept)
    assert (answer.status_code, answer.body) == (202, "")
    assert (answer.headers["X-Pacifica-Status"], answer.headers["X-Pacifica-Message"]) == ("staging", NOT_READY)
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html, application/json", "text/html"),
        ("text/html;q=0, application/json;q=0.001", "application/json"),
    ],
)
def test_get_of_an_unfinished_cart_has_the_body_that_is_asked_for_by_name(accept: str, kind: str) -> None:
    answer = responses.not_ready(cart("staging"), accept)
    assert (answer.status_code, answer.headers["Content-Type"]) == (202, kind)
    assert NOT_READY in answer.body
    if kind == "application/json":
        assert json.loads(answer.body) == {"status": "staging", "message": NOT_READY}


@given(st.text(max_size=700))
def test_a_header_value_is_one_short_line_of_printable_ascii(text: str) -> None:
    value = responses.header_value(text)
    assert len(value) <= 512
    assert all(" " <= character <= "~" for character in value)
    assert value == value.strip()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=512))
def test_a_valid_header_value_is_unchanged(text: str) -> None:
    assert responses.header_value(text) == text


def test_an_empty_list_of_files_may_say_why_and_a_full_one_does_not() -> None:
    assert json.loads(responses.files(FilePage([], None, "removed")).body) == {
        "files": [],
        "next": None,
        "message": "removed",
    }
    assert "message" not in json.loads(responses.files(FilePage([], None)).body)


def test_the_history_names_processes_to_administrators_alone() -> None:
    happened = Happened(1, 0.0, "ready", "", "worker-at-host-7")
    status = CartStatus(cart("ready"), Counts(0, 0), None, (), None, (happened,))
    told = [json.loads(responses.progress(status, with_process=who).body)["history"][0] for who in (False, True)]
    shown = {"at": "1970-01-01T00:00:00.000+00:00", "event": "ready", "cause": ""}
    assert told == [shown, {**shown, "process": "worker-at-host-7"}]
