"""Refusals that no route gives, or that say more than a dict can: each is whole, and none is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

import app
import asgi
from chalicelib.api.browser import BrowserRules
from chalicelib.api.http_messages import HttpRequest, refusal
from chalicelib.db.access_models import AuditRecords
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.test_browser_answers import PORTAL, is_hardened
from tests.integration.api.transports import OverLambda, Transport, scope

FOREIGN = ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"})
#: Where no route looks at a login: unknown addresses, the reserved uid, methods that an address does not have.
NO_ROUTE = [("GET", "/-"), ("POST", "/-"), ("PUT", "/mycart"), ("PATCH", "/-/carts"), ("POST", "/-/shared/abc")]
NOWHERE = [("GET", "/a/b/c"), ("HEAD", "/-/nothing"), ("OPTIONS", "/a/b/c")]


@pytest.mark.parametrize("login", ["Bearer x", "Basic", "", "Bearer cart_" + "a" * 43])
def test_a_login_that_does_not_count_is_401_also_where_there_is_nothing(
    configured: Callable[..., Transport],
    login: str,
) -> None:
    call = configured(AUTH="token")
    for method, target in [*NO_ROUTE, *([] if isinstance(call, OverLambda) else NOWHERE)]:
        answer = call(method, target, authorization=login)
        assert (answer.status, "www-authenticate" in answer.headers) == (401, True), (method, target)
        assert is_hardened(answer)
        assert call(method, target).status in (400, 404, 405), (method, target)


def test_without_logins_no_address_takes_one(call: Transport) -> None:
    for method, target in NO_ROUTE:
        assert call(method, target, authorization="Bearer x").status == 401, (method, target)


@pytest.mark.usefixtures("logins")
def test_an_owner_named_twice_is_refused_unless_both_are_the_same(call: Transport, carts: Carter) -> None:
    """A proxy that checks requests may look at the first, and the service at the last."""
    uid = carts.of("ann").ready()
    for method, path in (("GET", "/status"), ("DELETE", ""), ("GET", "/shares"), ("HEAD", "")):
        for twice in ("owner=ann&owner=ben", "owner=ben&owner=ann", "owner=ann&owner=", "owner&owner=ann"):
            for login in ("root admin", "ann", "ben"):
                assert call(method, f"/{uid}{path}?{twice}", authorization=login).status == 400, (method, twice)
    assert call("GET", "/-/carts?owner=ann&owner=*", authorization="root admin").status == 400
    assert call("GET", f"/{uid}/status?owner=ann&owner=ann", authorization="root admin").status == 200
    assert call("GET", f"/{uid}/status?owner=ann&owner=ann", authorization="ann").status == 200


@pytest.mark.usefixtures("logins")
@pytest.mark.parametrize("path", ["", "/status", "/files"])
def test_a_login_that_is_refused_at_a_share_is_on_record(call: Transport, carts: Carter, path: str) -> None:
    uid, reader = carts.of("ann").ready(), f"ben-{new_uid()}"
    share = json.dumps({"with": reader}).encode()
    address = call("POST", f"/{uid}/shares", share, authorization="ann").json()["address"]
    assert call("GET", address + path, authorization=f"{reader} writer").status == 403
    with carts.system.database.session() as db:
        [record] = AuditRecords.select().where(AuditRecords.actor == reader).execute(db)
    assert record.action == "refused"
    assert json.loads(record.details)["request"] == f"GET /-/shared/{{token}}{path}"
    assert address.rpartition("/")[2] not in record.details


@pytest.mark.parametrize("configured", ["lambda"], indirect=True)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_page_is_refused_also_while_the_settings_are_bad(
    configured: Callable[..., Transport],
    foreign: dict[str, str],
) -> None:
    """Only Lambda begins with bad settings; the servers do not start."""
    answer = configured(AUTH="nonsense")("DELETE", "/mycart", **foreign)
    assert (answer.status, is_hardened(answer)) == (403, True)
    assert "nonsense" not in answer.body.decode()


def test_a_failure_outside_of_a_route_is_a_whole_answer(call: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(app.app, "_authenticator", broken)
    for method, target in NO_ROUTE:
        answer = call(method, target, authorization="Bearer x")
        assert (answer.status, is_hardened(answer)) == (500, True)
        assert "secret" not in answer.body.decode()


@pytest.mark.parametrize("origins", [(), (PORTAL,)])
def test_an_answer_keeps_headers_that_it_has_twice(origins: tuple[str, ...]) -> None:
    ways = [("WWW-Authenticate", "Basic realm"), ("WWW-Authenticate", "Bearer realm")]
    request = HttpRequest("POST", "/mycart", "", {"origin": PORTAL})
    headers = refusal(401, "no", *ways).for_browsers(BrowserRules(origins), request).headers
    assert [pair for pair in headers if pair[0] == "WWW-Authenticate"] == ways
    names = [name for name, _ in headers if name != "WWW-Authenticate"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("configured", ["asgi"], indirect=True)
def test_a_large_body_without_a_login_learns_every_way_to_log_in(
    configured: Callable[..., Transport],
) -> None:
    """Our own server asks before it reads the body."""
    configured(AUTH="token")
    body, sent = b"x" * (1 << 20), []
    given = iter([{"type": "http.request", "body": body}])

    async def receive() -> dict[str, Any]:
        return next(given, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(asgi.application(scope("POST", f"/{new_uid()}", body, {}), receive, send))
    assert sent[0]["status"] == 401
    ways = [value.split()[0] for name, value in sent[0]["headers"] if name == b"www-authenticate"]
    assert ways == [b"Basic", b"Bearer"]
