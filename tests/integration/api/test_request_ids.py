"""Each answer names its request, each request has its line in the log, and the id goes with the cart's work."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

import app
from chalicelib.config.log_context import logged_fields
from chalicelib.db.models import Carts, Jobs
from tests.integration.api.conftest import MANIFEST, Carter, new_uid
from tests.integration.api.transports import Answer, OverLambda, Transport

API_GATEWAYS = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"  # in the events of transports.py
BODY = json.dumps(MANIFEST).encode()


def id_of(answer: Answer) -> str:
    assert answer.request == API_GATEWAYS or re.fullmatch("[0-9a-f]{32}", answer.request)
    return answer.request


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/nobody-has-this", 404),
        ("GET", "/nobody-has-this", 404),
        ("PUT", "/a", 405),
        ("POST", "/a", 400),
        ("OPTIONS", "/a", 204),
        ("GET", "/-/shared/hush", 404),
    ],
)
def test_each_answer_names_its_request(call: Transport, method: str, target: str, status: int) -> None:
    first, second = call(method, target), call(method, target)
    assert first.status == status
    assert id_of(first) != id_of(second) or id_of(first) == API_GATEWAYS


def test_a_body_that_is_too_large_is_answered_with_an_id_too(call: Transport) -> None:
    answer = call("POST", "/a", b" " * (1 << 20) + BODY)
    assert answer.status == 413
    assert id_of(answer)


def test_what_a_client_calls_its_request_is_not_taken_for_the_id(call: Transport) -> None:
    assert id_of(call("GET", "/a", **{"x_request_id": "mine"})) != "mine"


def test_an_id_that_is_none_is_not_taken_from_an_event(application: Any) -> None:
    event = OverLambda().event("GET", "/a", b"", {})
    event["requestContext"]["requestId"] = "a\r\nSet-Cookie: b"
    answered = app.app(event, None)["headers"]["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", answered)


def test_the_id_goes_with_the_cart_and_its_first_job(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    posted = call("POST", f"/{uid}", BODY)
    assert posted.status == 201
    cart = carts.find(uid)
    with carts.system.database.session() as db:
        of_cart = Carts.select(Carts.request).where(Carts.id == cart.id).tuples().first(db)
        of_job = Jobs.select(Jobs.request).where(Jobs.cart_id == cart.id).tuples().first(db)
    assert of_cart == of_job == (id_of(posted),)


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "chalicelib.api.request_log"]


def test_a_request_is_one_line_with_its_resource_and_never_its_path(
    call: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "chalicelib.api.request_log"):
        call("GET", "/-/shared/hush/status")
        call("GET", "/nobody-has-this?filename=hush")
        call("HEAD", "/nobody-has-this")
        call("GET", "/")
    shared, download = lines(caplog)
    assert re.fullmatch(r"GET /-/shared/\*\*\*/status answered 404 in \d+ ms", shared.getMessage())
    assert vars(download).items() >= {"method": "GET", "resource": "/{uid}", "status": 404}.items()
    assert "hush" not in caplog.text


def test_polls_are_lines_for_those_who_look_for_them(call: Transport, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "chalicelib.api.request_log"):
        call("HEAD", "/nobody-has-this")
    assert [record.levelname for record in lines(caplog)] == ["DEBUG"]


def test_a_line_carries_the_id_that_the_answer_names_and_the_uid(
    call: Transport, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []
    log = logging.getLogger("chalicelib.api.request_log")
    monkeypatch.setattr(log, "handlers", [Fields(seen)])
    with caplog.at_level(logging.INFO, "chalicelib.api.request_log"):
        answer = call("GET", "/run-7", **{"x_request_id": "mine"})
    assert seen == [{"request": id_of(answer), "uid": "run-7", "client_request": "mine"}]


class Fields(logging.Handler):
    """Collects the fields of the work that each line is about."""

    def __init__(self, seen: list[dict[str, object]]) -> None:
        super().__init__()
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        self._seen.append(dict(logged_fields()))
