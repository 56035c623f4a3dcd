"""Unknown calls and internal failures: JSON, never a traceback, both headers on HEAD."""

from __future__ import annotations

import json
import wsgiref.validate
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import app
import wsgi
from chalicelib.api.gateway import UID_RULE
from chalicelib.api.wsgi_adapter import Application
from chalicelib.errors import StoreUnavailable
from tests.integration.api.conftest import Carter, check_head, new_uid
from tests.integration.api.transports import OverLambda, Transport, environ


@pytest.mark.parametrize("path", ["/a/b", "/a/status/x", "/a/b/c/d", "//"])
def test_an_unknown_path_is_refused_in_json(over_http: Transport, path: str) -> None:
    answer = over_http("GET", path)
    assert answer.status == 404
    assert answer.json()["status"] == "error"
    assert "1 to 255 of A-Z a-z 0-9 . _ - without a slash" in answer.json()["message"]


def test_head_of_an_unknown_path_has_both_headers(over_http: Transport) -> None:
    check_head(over_http("HEAD", "/a/b"), 404, "error", UID_RULE)


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("PUT", "/a", "POST the manifest: curl -X POST --upload-file FILE URL"),
        ("PUT", "/", "The cart's uid is missing. POST the manifest to /{uid}: curl -X POST --upload-file FILE URL"),
        ("POST", "/", "The cart's uid is missing. POST the manifest to /{uid}, with a uid of your choice."),
        ("PATCH", "/a", "Unsupported method: PATCH"),
        ("DELETE", "/a/status", "Unsupported method: DELETE"),
    ],
)
def test_a_wrong_method_is_405_with_the_allowed_ones(call: Transport, method: str, path: str, message: str) -> None:
    answer = call(method, path, b"{}")
    assert answer.status == 405
    assert answer.json() == {"status": "error", "message": message}
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/a/status", "/a/files"])
def test_head_of_a_path_without_head_has_both_headers(call: Transport, path: str) -> None:
    check_head(call("HEAD", path), 405, "error", "Unsupported method: HEAD")


def test_an_authorization_of_any_bytes_is_refused_where_nobody_can_log_in(over_http: Transport) -> None:
    for method, path in (("GET", "/"), ("OPTIONS", "/a"), ("HEAD", "/a"), ("GET", "/a/status"), ("GET", "/a/b")):
        answer = over_http(method, path, authorization="Bearer \xff\xfe")
        assert answer.status == 401
        assert "www-authenticate" in answer.headers


def test_an_unexpected_exception_is_500_without_details(
    call: Transport, carts: Carter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.service(), "find", _raise(ZeroDivisionError("a secret")))
    uid = new_uid()
    answer = call("GET", f"/{uid}")
    assert answer.status == 500
    assert answer.json() == {"status": "error", "message": "The server failed; its log says why."}
    check_head(call("HEAD", f"/{uid}"), 500, "unavailable", "The server failed; its log says why.")


def test_a_transient_failure_is_503_with_retry_after(call: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.service(), "find", _raise(StoreUnavailable("The bundle store did not answer (put).")))
    answer = call("GET", f"/{new_uid()}")
    assert (answer.status, answer.json()["message"]) == (503, "The bundle store did not answer (put).")
    assert int(answer.headers["retry-after"]) > 0
    head = call("HEAD", f"/{new_uid()}")
    check_head(head, 503, "unavailable", "The bundle store did not answer (put).")
    assert int(head.headers["retry-after"]) > 0


@pytest.fixture
def without_database(
    variables: dict[str, str], application: Application, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The service with a database server that does not answer."""
    for name, value in {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    app.system.cache_clear()
    yield
    app.system.cache_clear()


@pytest.mark.usefixtures("without_database")
def test_without_its_database_the_api_answers_503(call: Transport) -> None:
    for method, path, body in (
        ("POST", "", b'{"fileids": [{"id": 1, "path": "a"}]}'),
        ("GET", "", b""),
        ("DELETE", "", b""),
        ("GET", "/status", b""),
    ):
        answer = call(method, f"/{new_uid()}{path}", body)
        assert (answer.status, answer.json()["message"]) == (503, "The database cannot be reached.")
    check_head(call("HEAD", f"/{new_uid()}"), 503, "unavailable", "The database cannot be reached.")
    assert call("GET", "/").status == 200


def test_without_its_queue_a_cart_is_still_created(
    variables: dict[str, str], application: Application, call: Transport, carts: Carter
) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=variables["JOB_QUEUE"])["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    try:
        uid = new_uid()
        assert call("POST", f"/{uid}", b'{"fileids": [{"id": 1, "path": "a"}]}').status == 201
        assert carts.find(uid).state == "waiting"
    finally:
        sqs.create_queue(QueueName=variables["JOB_QUEUE"])


@pytest.mark.parametrize(("method", "state"), [("GET", "ready"), ("HEAD", "staging"), ("HEAD", "ready")])
def test_the_adapter_conforms_to_wsgi(application: Application, carts: Carter, method: str, state: str) -> None:
    started: list[Any] = []
    checked: Any = wsgiref.validate.validator(application)
    chunks = checked(
        environ(method, f"/{getattr(carts, state)()}", b"", {}), lambda *response: started.append(response)
    )
    assert b"".join(chunks) or method == "HEAD"
    chunks.close()
    assert started


def test_lambda_answers_the_same_with_undecoded_parameters(application: Application, carts: Carter) -> None:
    uid = carts.ready()
    for decoded in (True, False):
        check_head(OverLambda(decoded=decoded)("HEAD", f"/{uid.replace('a', '%61')}"), 204, "ready")
        assert OverLambda(decoded=decoded)("HEAD", "/a%2Fb").status == 400


def test_lambda_responses_are_json_serialisable(application: Application, carts: Carter) -> None:
    event = OverLambda().event("GET", f"/{carts.error('ünï 🚀')}", b"", {})
    assert "🚀" in json.loads(json.loads(json.dumps(app.app(event, None)))["body"])["message"]


def test_the_adapter_works_without_the_servers_raw_uri(application: Application) -> None:
    started: list[Any] = []
    request = environ("GET", "/a%20b", b"", {})
    del request["RAW_URI"]
    application(request, lambda *response: started.append(response))
    assert started[0][0].startswith("400")


def test_settings_are_checked_before_the_first_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SQLITE_PATH", "relative")
    monkeypatch.setenv("MAX_BODY", "plenty")
    with pytest.raises(Exception, match=r"SQLITE_PATH(.|\n)*MAX_BODY"):
        wsgi.application()


def _raise(error: Exception) -> Any:
    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising
