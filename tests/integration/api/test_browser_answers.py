"""Every server refuses foreign pages and foreign hosts alike, and every answer carries the security headers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.api.browser import SECURITY_HEADERS
from tests.integration.api.conftest import Carter, check_head, new_uid
from tests.integration.api.server import chalice_local, exchange, granian, wsgi_server
from tests.integration.api.transports import Answer, OverLambda, Transport

PORTAL = "https://portal.example.org"
HARDENED = {name.lower(): value for name, value in SECURITY_HEADERS.items()}
BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
FOREIGN = ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"})
SERVERS = (granian, wsgi_server, chalice_local)


def is_hardened(answer: Answer) -> bool:
    return {name: answer.headers.get(name) for name in HARDENED} == HARDENED


def test_every_answer_carries_the_security_headers(call: Transport, carts: Carter) -> None:
    ready, staging, failed = carts.ready(), carts.staging(), carts.error()
    asked = [("GET", "/"), ("HEAD", f"/{ready}"), ("GET", f"/{ready}"), ("GET", f"/{staging}"), ("HEAD", f"/{staging}")]
    asked += [("GET", f"/{failed}"), ("HEAD", f"/{failed}"), ("GET", f"/{new_uid()}/status"), ("HEAD", f"/{new_uid()}")]
    asked += [
        ("OPTIONS", f"/{ready}"),
        ("PUT", f"/{ready}"),
        ("POST", f"/{new_uid()}"),
        ("GET", f"/{ready}/files?limit=x"),
    ]
    statuses = set()
    for method, target in asked:
        answer = call(method, target)
        statuses.add(answer.status)
        assert is_hardened(answer), (method, target, answer)
    assert statuses == {200, 202, 204, 302, 400, 404, 405, 409, 500}


def test_answers_that_no_route_gives_carry_them_too(over_http: Transport) -> None:
    for status, target, body in ((404, "/a/b/c", b""), (413, f"/{new_uid()}", b"x" * (1 << 20) + b"y")):
        answer = over_http("POST", target, body)
        assert answer.status == status
        assert is_hardened(answer)


@pytest.mark.parametrize(
    "foreign", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}]
)
def test_a_foreign_page_changes_nothing(call: Transport, carts: Carter, foreign: dict[str, str]) -> None:
    uid, unmade = carts.ready(), new_uid()
    for method, target in (("DELETE", f"/{uid}"), ("POST", f"/{uid}"), ("POST", f"/{unmade}"), ("PUT", f"/{uid}")):
        answer = call(method, target, BODY, **foreign)
        assert answer.status == 403, (method, target)
        assert "ALLOWED_ORIGINS" in answer.json()["message"]
        assert is_hardened(answer)
    assert call("HEAD", f"/{uid}").status == 204
    assert call("HEAD", f"/{unmade}").status == 404


def test_a_foreign_page_may_navigate_to_a_download_but_not_read_it(call: Transport, carts: Carter) -> None:
    answer = call("GET", f"/{carts.ready()}", origin="https://evil.example", sec_fetch_site="cross-site")
    assert answer.status == 302
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_foreign_host_is_refused_on_a_loopback_address(over_http: Transport, carts: Carter) -> None:
    uid = carts.ready()
    for target in ("/", f"/{uid}", "/a/b/c", f"http://evil.example/{uid}"):
        answer = over_http("GET", target, host="evil.example:8081")
        assert answer.status == 421
        assert "ALLOWED_HOSTS" in answer.json()["message"]
        assert is_hardened(answer)
    assert over_http("GET", "/", host="").status == 400
    head = over_http("HEAD", f"/{uid}", host="evil.example")
    check_head(head, 421, "error", head.headers["x-pacifica-message"])
    assert over_http("DELETE", f"/{uid}", host="evil.example", origin="http://evil.example").status == 421
    assert over_http("HEAD", f"/{uid}", host="localhost:8081").status == 204


def test_api_gateway_answers_to_every_host_until_allowed_hosts_is_set(configured: Callable[..., Transport]) -> None:
    call = configured(ALLOWED_HOSTS="cart.example.org")
    assert call("GET", "/", host="evil.example").status == 421
    assert call("GET", "/", host="Cart.Example.org:443").status == 200


def test_an_allowed_origin_reads_every_answer_also_those_that_no_route_gives(
    configured: Callable[..., Transport], carts: Carter
) -> None:
    call, uid = configured(ALLOWED_ORIGINS=PORTAL), carts.staging()
    asked = [("GET", "/", b"", 200), ("HEAD", f"/{uid}", b"", 202), ("GET", f"/{uid}", b"", 202)]
    asked += [("POST", f"/{new_uid()}", BODY, 201), ("POST", f"/{new_uid()}", b"{", 400), ("GET", "/unknown", b"", 404)]
    if not isinstance(call, OverLambda):
        asked.append(("POST", f"/{new_uid()}", b"x" * (1 << 20) + b"y", 413))
    for method, target, body, status in asked:
        answer = call(method, target, body, origin=PORTAL, sec_fetch_site="cross-site")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, PORTAL), target
        assert "X-Pacifica-Status" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"].endswith("Origin")
    foreign = call("GET", "/", origin="https://evil.example")
    assert "access-control-allow-origin" not in foreign.headers
    assert foreign.headers["vary"] == "Origin", "a cache must not give this answer to the allowed origin"


def test_a_preflight_is_answered_to_an_allowed_origin_alone(configured: Callable[..., Transport]) -> None:
    call, asks = configured(ALLOWED_ORIGINS=PORTAL), {"access_control_request_method": "DELETE"}
    allowed = call("OPTIONS", "/mycart", origin=PORTAL, **asks)
    assert allowed.status == 204
    assert "DELETE" in allowed.headers["access-control-allow-methods"]
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    foreign = call("OPTIONS", "/mycart", origin="https://evil.example", **asks)
    assert foreign.status == 204
    assert not [name for name in foreign.headers if name.startswith("access-control")]


@pytest.mark.parametrize("serve", SERVERS)
def test_the_servers_themselves_refuse_a_foreign_host_and_a_foreign_page(
    serve: Any, application: object, variables: dict[str, str]
) -> None:
    """`chalice local` too, which tells its application nothing about the address."""
    with serve(dict(os.environ)) as server:
        local = f"Host: 127.0.0.1:{server.port}"
        asked = {
            f"GET / HTTP/1.1\r\n{local}\r\n\r\n": 200,
            "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n": 421,
            f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example:{server.port}\r\n\r\n": 421,
            f"DELETE /mycart HTTP/1.1\r\n{local}\r\nOrigin: https://evil.example\r\n\r\n": 403,
            f"DELETE /mycart HTTP/1.1\r\n{local}\r\nOrigin: http://127.0.0.1:{server.port}\r\n\r\n": 404,
        }
        if serve is not chalice_local:  # it finds no route for an absolute target
            asked["GET / HTTP/1.1\r\n\r\n"] = 400
            asked[f"GET / HTTP/1.1\r\n{local}\r\nHost: evil.example\r\n\r\n"] = 400
        for request, status in asked.items():
            with server.connection() as connection:
                answer, _ = exchange(connection, request.encode(), request.partition(" ")[0])
                assert answer.status == status, request
                assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
