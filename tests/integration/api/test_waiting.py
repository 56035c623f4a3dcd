"""`GET /{uid}?wait=20` under the real server, and where nothing can wait."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest
import requests

from tests.callers import ANYONE
from tests.integration.api import server
from tests.integration.api.conftest import Carter
from tests.integration.api.server import Server
from tests.integration.api.transports import Transport


@pytest.fixture(scope="module")
def api(variables: dict[str, str], carts: Carter) -> Iterator[Server]:
    with server.granian(os.environ) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def ask(pool: ThreadPoolExecutor, method: str, url: str) -> Future[requests.Response]:
    return pool.submit(requests.request, method, url, timeout=30, allow_redirects=False)


@pytest.mark.parametrize(("method", "status"), [("GET", 302), ("HEAD", 204)])
def test_a_wait_is_answered_when_the_cart_is_ready(
    api: Server, carts: Carter, pool: ThreadPoolExecutor, method: str, status: int
) -> None:
    uid = carts.bundling()
    answer = ask(pool, method, f"{api.url}/{uid}?wait=20")
    time.sleep(0.5)
    assert not answer.done()
    carts.finish(uid)
    assert answer.result(10).status_code == status


def test_a_wait_is_answered_when_the_cart_fails_or_is_deleted(
    api: Server, carts: Carter, pool: ThreadPoolExecutor
) -> None:
    failing, deleted = carts.staging(), carts.staging()
    answers = [ask(pool, "GET", f"{api.url}/{uid}?wait=20") for uid in (failing, deleted)]
    time.sleep(0.3)
    carts.fail(failing, "bar.csv: gone")
    carts.system.service.delete(ANYONE, deleted)
    assert [answer.result(10).status_code for answer in answers] == [409, 404]


def test_a_wait_whose_time_is_up_is_202(api: Server, carts: Carter) -> None:
    uid, began = carts.waiting(), time.monotonic()
    answer = requests.get(f"{api.url}/{uid}?wait=1", timeout=10)
    assert (answer.status_code, answer.content) == (202, b"")
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("query", ["filename=wait=5", "await=5", "?wait=5", "filename=%26wait=5", "WAIT=5"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_wait_within_another_parameter_is_no_wait(api: Server, carts: Carter, method: str, query: str) -> None:
    answer = requests.request(method, f"{api.url}/{carts.waiting()}?{query}", timeout=3)
    assert (answer.status_code, answer.headers["X-Pacifica-Status"]) == (202, "waiting")


def test_the_name_of_the_parameter_may_be_escaped(api: Server, carts: Carter) -> None:
    began = time.monotonic()
    assert requests.get(f"{api.url}/{carts.waiting()}?w%61it=1", timeout=10).status_code == 202
    assert time.monotonic() - began >= 1


def test_who_waits_holds_no_thread_and_one_client_has_bounded_waits(
    api: Server, carts: Carter, pool: ThreadPoolExecutor
) -> None:
    uid = carts.waiting()
    answers = [ask(pool, "GET", f"{api.url}/{uid}?wait=20") for _ in range(30)]
    time.sleep(1)
    over = [answer.result().status_code for answer in answers if answer.done()]
    assert over == [202] * 10, "twenty of one address may wait"
    assert requests.head(f"{api.url}/{uid}", timeout=3).status_code == 202
    carts.system.service.delete(ANYONE, uid)
    assert {answer.result(10).status_code for answer in answers} == {202, 404}


def test_a_client_that_goes_frees_its_place(api: Server, carts: Carter, pool: ThreadPoolExecutor) -> None:
    uid = carts.waiting()
    with ExitStack() as gone:
        for _ in range(20):
            connection = gone.enter_context(api.connection())
            connection.sendall(f"GET /{uid}?wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(0.5)
        assert ask(pool, "GET", f"{api.url}/{uid}?wait=20").result(5).status_code == 202
    time.sleep(0.5)
    answer = ask(pool, "GET", f"{api.url}/{uid}?wait=20")
    time.sleep(0.5)
    assert not answer.done()
    carts.system.service.delete(ANYONE, uid)
    assert answer.result(10).status_code == 404


def test_a_server_that_stops_answers_who_waits(carts: Carter, pool: ThreadPoolExecutor) -> None:
    uid = carts.waiting()
    with server.granian(os.environ) as api:
        answer = ask(pool, "GET", f"{api.url}/{uid}?wait=20")
        time.sleep(1)
        psutil.Process(api.pid).send_signal(signal.SIGTERM)
        assert answer.result(15).status_code == 202
        psutil.Process(api.pid).wait(15)


@pytest.mark.parametrize("wait", ["21", "-1", "x", "", "1.5", "1e1", "9" * 5000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_bad_wait_is_refused_by_name(call: Transport, carts: Carter, method: str, wait: str) -> None:
    answer = call(method, f"/{carts.waiting()}?wait={wait}")
    assert answer.status == 400
    message = answer.json()["message"] if method == "GET" else answer.headers["x-pacifica-message"]
    assert message.startswith("wait: must be a number, 0 to 20")


@pytest.mark.parametrize("call", ["wsgi", "lambda"], indirect=True)
def test_where_nothing_can_wait_the_answer_comes_at_once(call: Transport, carts: Carter) -> None:
    assert call("GET", f"/{carts.waiting()}?wait=20").status == 202
    assert call("GET", f"/{carts.ready()}?wait=20").status == 302


def test_a_wait_for_a_ready_or_unknown_cart_is_answered_at_once(call: Transport, carts: Carter) -> None:
    assert call("GET", f"/{carts.ready()}?wait=20").status == 302
    assert call("GET", f"/{carts.unknown()}?wait=20").status == 404
    assert call("HEAD", f"/{carts.error()}?wait=20").status == 500
