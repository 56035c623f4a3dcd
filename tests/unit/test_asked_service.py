"""The policy service over HTTP: what it is sent, and that anything but a good answer allows nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from chalicelib.errors import PolicyUnavailable
from chalicelib.policy import asked_service
from chalicelib.policy.asked_service import AskedService
from chalicelib.policy.asking import ask, deadline
from chalicelib.policy.policy import Reader
from tests.policy_server import PolicyServer, policy_server

ANN = Reader("ann", ("staff", "beam"))
IDS = ["1", "2"]


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    with policy_server() as running:
        yield running


def test_the_question_names_owner_groups_and_ids_and_carries_the_token(server: PolicyServer) -> None:
    AskedService(server.url, "top-secret").refused(ANN, ["2", "1", "2"])
    assert server.questions == [{"owner": "ann", "groups": ["staff", "beam"], "ids": ["1", "2"]}]
    assert server.headers[0]["Authorization"] == "Bearer top-secret"
    assert len(server.headers[0]["X-Request-Id"]) == 36


def test_without_a_token_none_is_sent_whatever_the_netrc_says(
    server: PolicyServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    AskedService(server.url).refused(ANN, IDS)
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (503, b'{"allowed": ["1", "2"]}'),
        (201, b'{"allowed": ["1", "2"]}'),
        (302, b'{"allowed": ["1", "2"]}'),
        (307, b'{"allowed": ["1", "2"]}'),
        (401, b""),
        (403, b'{"allowed": []}'),
        (204, b""),
        (200, b""),
        (200, b"<html>Log in first</html>"),
        (200, b"null"),
        (200, b"[]"),
        (200, b'["1", "2"]'),
        (200, b"{}"),
        (200, b'{"refused": []}'),
        (200, b'{"allowed": null}'),
        (200, b'{"allowed": true}'),
        (200, b'{"allowed": "1"}'),
        (200, b'{"allowed": {"1": true, "2": true}}'),
        (200, b'{"allowed": [1, 2]}'),
        (200, b'{"allowed": [["1"]]}'),
        (200, b'{"allowed": ["1", "3"]}'),
        (200, b'{"allowed": ["1", "2"]'),
        (200, b'{"allowed": ["1", "2"]} x'),
        (200, b"\xff\xfe"),
        (200, b"[" * 200_000),
        (200, b'{"allowed": ["1", "2"]' + b" " * (5 << 20) + b"}"),
    ],
)
def test_a_bad_answer_is_no_answer(server: PolicyServer, status: int, body: bytes) -> None:
    server.misbehave = lambda question: (status, body)
    with pytest.raises(PolicyUnavailable) as caught:
        AskedService(server.url).refused(ANN, IDS)
    assert caught.value.message == PolicyUnavailable().message  # what went wrong is for the log
    assert len(server.questions) == 1


def test_an_id_that_is_not_allowed_is_refused(server: PolicyServer) -> None:
    server.misbehave = lambda question: (200, b'{"allowed": ["1", "1"], "more": 5}')
    assert AskedService(server.url).refused(ANN, IDS) == {"2"}


def test_an_answer_that_does_not_come_is_no_answer(server: PolicyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_service, "READ", 0.2)

    def late(question: dict[str, Any]) -> tuple[int, bytes]:
        time.sleep(1)
        return 200, json.dumps({"allowed": question["ids"]}).encode()

    server.misbehave = late
    with pytest.raises(PolicyUnavailable):
        AskedService(server.url).refused(ANN, IDS)


def test_an_answer_that_drips_is_no_answer(server: PolicyServer) -> None:
    ticks = iter(range(0, 100, 6))
    server.misbehave = lambda question: (200, b'{"allowed": ["1", "2"]}')
    with pytest.raises(PolicyUnavailable):
        AskedService(server.url, clock=lambda: float(next(ticks))).refused(ANN, IDS)


HEADS = {
    "headers without end": [b"HTTP/1.1 200 OK\r\n"] + [b"X-More: 1\r\n"] * 40,
    "a status line letter by letter": [bytes([letter]) for letter in b"HTTP/1.1 200 OK, and all is as it should be"],
    "interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n"] * 40,
    "many interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 40,
}


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_drips_is_no_answer(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    """Never silent for as long as the timeout, which the socket would notice."""
    monkeypatch.setattr(asked_service, "READ", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                for piece in HEADS[head]:
                    connection.sendall(piece)
                    time.sleep(0.1)
                return
            gone.set()

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        with pytest.raises(PolicyUnavailable):
            AskedService(f"http://127.0.0.1:{listening.getsockname()[1]}/").refused(ANN, IDS)
        dripping.join(10)
    assert gone.is_set(), "nobody waited for the end of the head"


def test_a_server_that_is_not_there_is_no_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(PolicyUnavailable):
            AskedService(f"http://127.0.0.1:{unused.getsockname()[1]}/").refused(ANN, IDS)


def test_a_file_is_asked_about_once_and_a_thousand_in_a_request(server: PolicyServer) -> None:
    server.refused = {"7"}
    places = [(number, str(number % 2500)) for number in range(5000)]
    refusal = ask(AskedService(server.url), ANN, places, lambda: None)
    assert [len(question["ids"]) for question in server.questions] == [1000, 1000, 500]
    assert refusal.message("You") == "You may not read fileids[7], fileids[2507]."


def test_a_refusal_names_the_first_places_and_counts_the_others(server: PolicyServer) -> None:
    server.refused = {str(number) for number in range(3, 20)}
    refusal = ask(AskedService(server.url), ANN, [(number, str(number)) for number in range(30)], lambda: None)
    named = ", ".join(f"fileids[{number}]" for number in range(3, 8))
    assert refusal.message("You") == f"You may not read {named} (and 12 more)."


def test_a_request_does_not_ask_for_longer_than_its_client_waits() -> None:
    now = [0.0]
    check = deadline(lambda: now[0])
    check()
    now[0] = 13.0
    with pytest.raises(PolicyUnavailable):
        check()
