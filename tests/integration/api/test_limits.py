"""GET /-/limits, and what a POST over a limit is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib.config.owner_limits import LimitBook, OwnerLimits
from tests.integration.api.conftest import new_uid
from tests.integration.api.transports import Transport

pytestmark = pytest.mark.usefixtures("logins")

MANIFEST = json.dumps({"fileids": [{"id": "1", "path": "a"}, {"id": "2", "path": "b"}]}).encode()
NAMES = ["carts", "entries", "bundles", "staging", "recalls", "uploads", "posts"]


def limits(call: Transport, login: str, query: str = "") -> dict[str, Any]:
    answer = call("GET", f"/-/limits{query}", authorization=login)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def test_ones_own_limits_are_shown_and_what_counts(call: Transport) -> None:
    owner = f"owner-{new_uid()}"
    before = limits(call, owner)
    assert before["owner"] == owner
    assert list(before["limits"]) == NAMES
    assert before["limits"]["carts"] == {"used": 0, "limit": 5000}
    assert before["limits"]["recalls"] == {"used": 0, "limit": None}
    assert call("POST", f"/{new_uid()}", body=MANIFEST, authorization=owner).status == 201
    after = limits(call, owner)["limits"]
    assert [after[name]["used"] for name in ("carts", "entries", "posts")] == [1, 2, 1]


def test_an_administrator_sees_the_limits_of_others_and_others_do_not(call: Transport) -> None:
    owner = f"owner-{new_uid()}"
    call("POST", f"/{new_uid()}", body=MANIFEST, authorization=owner)
    assert limits(call, "root admin", f"?owner={owner}")["limits"]["carts"]["used"] == 1
    assert call("GET", f"/-/limits?owner={owner}", authorization="eve").status == 403
    nobodys = limits(call, "root admin", "?owner=")["limits"]
    assert all(figure == {"used": 0, "limit": None} for figure in nobodys.values())


def limit(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    monkeypatch.setattr(app.system().post_limits, "_book", LimitBook(OwnerLimits(**limits)))


def test_too_many_posts_in_a_minute_are_429_with_retry_after(call: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, posts=2)
    owner = f"owner-{new_uid()}"
    answers = [call("POST", f"/{new_uid()}", body=b"{", authorization=owner) for _ in range(5)]
    refused = next(answer for answer in answers if answer.status == 429)  # a minute may end among them
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "2 POSTs in this minute" in refused.json()["message"]


def test_a_cart_too_many_is_403_and_says_what_frees_one(call: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, carts=1)
    owner, uid = f"owner-{new_uid()}", new_uid()
    assert call("POST", f"/{uid}", body=MANIFEST, authorization=owner).status == 201
    answer = call("POST", f"/{new_uid()}", body=MANIFEST, authorization=owner)
    message = "You have 1 live cart, the limit; delete one, or wait until one expires."
    assert (answer.status, answer.json()) == (403, {"status": "error", "message": message})
    assert call("DELETE", f"/{uid}", authorization=owner).status == 200
    assert call("POST", f"/{new_uid()}", body=MANIFEST, authorization=owner).status == 201
