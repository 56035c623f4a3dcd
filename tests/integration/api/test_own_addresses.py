"""What lies below `/-/`: carts may have the names of the service's own addresses, and only `-` is reserved."""

from __future__ import annotations

import os

import pytest
import requests

from tests.integration.api import server
from tests.integration.api.conftest import BUNDLE, Carter, check_head
from tests.integration.api.transports import Transport

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
NAMES = (
    "carts",
    "limits",
    "metrics",
    "readyz",
    "healthz",
    "shared",
    "shares",
    "status",
    "files",
    "manifest",
    "ui",
    "openapi.json",
)
RESERVED = ("/-", "/-/", "/%2D", "/-/files", "/-/status", "/-/manifest", "/-/shares", "/-/shares/1")
UNKNOWN = ("/-/unknown", "/-/carts/x", "/-/shared", "/-/healthz/x", "/-/shared/x/y", "/-/shared//")
RULE = "The cart's uid must be 1 to 255 of A-Z a-z 0-9 . _ - and none of '.', '..' and '-'."


def test_the_service_says_that_it_is_up_without_a_database(call: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.db.database.Database.session", lambda _: pytest.fail("it asks the database"))
    answer = call("GET", "/-/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("uid", NAMES)
def test_a_cart_may_have_the_name_of_an_address(call: Transport, carts: Carter, uid: str) -> None:
    answer = call("POST", f"/{uid}", BODY)
    assert (answer.status, answer.headers["location"]) == (201, f"/{uid}")
    assert call("GET", f"/{uid}/status").json()["uid"] == uid
    assert call("GET", f"/{uid}/files").json()["files"][0]["path"] == "a"
    assert call("GET", f"/{uid}/shares").json() == {"shares": []}
    assert call("HEAD", f"/{uid}").status == 202
    assert uid in [cart["uid"] for cart in call("GET", "/-/carts").json()["carts"]]
    assert call("DELETE", f"/{uid}").status == 200


@pytest.mark.parametrize("kind", ["granian", "wsgi", "chalice local"])
def test_a_cart_may_have_the_name_of_an_address_under_every_server(
    variables: dict[str, str], carts: Carter, kind: str
) -> None:
    runs = {"granian": server.granian, "wsgi": server.wsgi_server, "chalice local": server.chalice_local}
    with runs[kind](os.environ) as running, requests.Session() as session:
        for uid in NAMES:
            assert session.post(f"{running.url}/{uid}", data=BODY, timeout=10).status_code == 201
            assert session.get(f"{running.url}/{uid}/status", timeout=10).json()["uid"] == uid
            assert session.delete(f"{running.url}/{uid}", timeout=10).status_code == 200
        assert session.get(f"{running.url}/-/healthz", timeout=10).json() == {"status": "ok"}
        assert session.get(f"{running.url}/-/carts", timeout=10).status_code == 200
        assert session.get(f"{running.url}/-/shared/x/files", timeout=10).status_code == 404
        assert session.get(f"{running.url}/-/files", timeout=10).json() == {"status": "error", "message": RULE}


@pytest.mark.parametrize("kind", ["granian", "wsgi", "chalice local"])
def test_a_link_is_read_under_every_server(variables: dict[str, str], carts: Carter, kind: str) -> None:
    runs = {"granian": server.granian, "wsgi": server.wsgi_server, "chalice local": server.chalice_local}
    uid = carts.ready()
    with runs[kind]({**os.environ, "SHARE_LINKS": "1"}) as running, requests.Session() as session:
        shares = f"{running.url}/{uid}/shares"
        made = session.post(shares, data=b'{"with": "link"}', timeout=10).json()
        address = running.url + made["address"]
        head = session.head(address, timeout=10)
        assert (head.status_code, head.headers["Referrer-Policy"]) == (204, "no-referrer")
        assert session.get(address, timeout=10).content == BUNDLE
        assert session.get(f"{address}/status", timeout=10).json()["uid"] == uid
        assert len(session.get(f"{address}/files", timeout=10).json()["files"]) == 2
        assert session.delete(f"{shares}/{made['id']}", timeout=10).status_code == 200
        assert session.get(address, timeout=10).status_code == 404


@pytest.mark.parametrize("path", RESERVED)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_reserved_uid_is_400_for_every_method(call: Transport, carts: Carter, method: str, path: str) -> None:
    before = carts.count()
    answer = call(method, path, BODY)
    assert (answer.status, answer.json()["message"]) == (400, RULE)
    assert carts.count() == before


def test_head_of_the_reserved_uid_has_both_headers(call: Transport) -> None:
    check_head(call("HEAD", "/-"), 400, "error", RULE)


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_address_that_the_service_does_not_have_is_404(over_http: Transport, method: str, path: str) -> None:
    answer = over_http(method, path, BODY)
    assert (answer.status, answer.json()["status"]) == (404, "error")


@pytest.mark.parametrize("path", ["/-/carts", "/-/healthz", "/-/shared/x", "/-/shared/x/files", "/-/shared/x/status"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405_with_those_there_are(call: Transport, carts: Carter, method: str, path: str) -> None:
    before = carts.count()
    answer = call(method, path, BODY)
    assert (answer.status, answer.json()["status"]) == (405, "error")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "OPTIONS"} | ({"HEAD"} if path[-2:] == "/x" else set())
    assert carts.count() == before


@pytest.mark.parametrize("path", ["/-/carts", "/-/healthz", "/a/shares/1"])
def test_head_where_there_is_none_is_405_with_both_headers(call: Transport, path: str) -> None:
    answer = call("HEAD", path)
    check_head(answer, 405, "error", answer.headers["x-pacifica-message"])
